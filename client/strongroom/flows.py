"""What a client does, step by step, without I/O: generators that yield requests and get answers.

`Vault` and `AsyncVault` drive the same flows, each over its own transport. A refused request is
raised inside the flow, which may go another way. The steps are those of docs/protocol.md;
`registration.py` and `recovery.py` have the long ones.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from strongroom import attempts
from strongroom.errors import (
    KeyExists,
    WrongVault,
)
from strongroom.requests import (
    ActiveKey,
    DeleteKey,
    GetKey,
    GetVault,
    KeyStatus,
    Request,
    VaultInfo,
)
from strongroom.sealed_key import Binding
from strongroom.stretching import Stretching
from strongroom_protocol.labels import SERVER_IDENTITY_PREFIX
from strongroom_protocol.opaque.envelope import Identities

if TYPE_CHECKING:
    from strongroom.attempts import PendingAttempt

Answer = TypeVar("Answer")
Result = TypeVar("Result")
Flow: TypeAlias = Generator[Request[Any], Any, Result]


@dataclass(frozen=True, slots=True)
class Party:
    """Who speaks with whom, and how this client goes about it.

    Attributes:
        vault: the vault's parameters, its identity as pinned.
        account: as the access token names it.
        pending: keeps what makes an undecided attempt again; None for the memory of this process.
        stretching: how heavy it may be, and who is told of it.
    """

    vault: VaultInfo
    account: str
    pending: PendingAttempt | None = None
    stretching: Stretching = field(default_factory=Stretching)

    @property
    def identities(self) -> Identities:
        """OPAQUE's identities: they bind protocol, vault and account."""
        server = SERVER_IDENTITY_PREFIX + self.vault.vault_id.encode()
        return Identities(client=self.account.encode(), server=server)

    def attempt_with(self, password: bytes) -> PendingAttempt:
        """Where the seed of an attempt with this prepared password is kept."""
        return self.pending or attempts.InProcess(
            self.vault.identity_public_key, self.account, password
        )

    def binding(self, key_id: bytes) -> Binding:
        """What the sealed backup key of a registration belongs to."""
        return Binding(self.vault.vault_id, self.account, key_id)


def fetch_info(
    pinned_identity: bytes | None, pinned_vault_id: str | None = None
) -> Flow[VaultInfo]:
    """Ask a vault who it is. `pinned_identity` is 33 bytes, None at first contact.

    Raises:
        WrongVault: it has another identity, or another vault id (4.2, 4.4).
    """
    info = yield from ask(GetVault())
    if pinned_identity is not None and info.identity_public_key != pinned_identity:
        raise WrongVault
    if pinned_vault_id is not None and info.vault_id != pinned_vault_id:
        raise WrongVault
    return info


def get_key() -> Flow[KeyStatus]:
    """Ask what the vault holds for the account."""
    return (yield from ask(GetKey()))


def require_no_key() -> Flow[None]:
    """Check that there is no key that a registration would replace.

    Raises:
        KeyExists: there is one. A destroyed one does not count: nobody can recover it.
    """
    found = yield from get_key()
    if isinstance(found, ActiveKey):
        raise KeyExists(found.key_id)


def delete() -> Flow[None]:
    """Delete the account's key."""
    yield from ask(DeleteKey())


def ask(request: Request[Answer]) -> Generator[Request[Any], Any, Answer]:
    """Send a request; return its answer. What refuses it is raised here."""
    answer: Answer = yield request
    return answer
