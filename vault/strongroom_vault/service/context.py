"""What all use cases share: ledger, token, keys, clock, and the refusal of malformed input."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from strongroom_protocol import labels
from strongroom_protocol.opaque.errors import DecodeError
from strongroom_vault.errors import Malformed, StateExpired
from strongroom_vault.hsm.jobs import RunsJobs
from strongroom_vault.platform.clock import now_ms
from strongroom_vault.platform.tasks import TaskGroup
from strongroom_vault.records.sealing import InvalidSeal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strongroom_protocol.answers import VaultParameters
    from strongroom_vault.ledger.group_commit import Ledger
    from strongroom_vault.records import policy
    from strongroom_vault.records.codec import RecoveryState, RegistrationState
    from strongroom_vault.service.derived_keys import Keys

    State = TypeVar("State", RegistrationState, RecoveryState)


class TokenWorkers(RunsJobs, Protocol):
    """What the service needs of the token: `hsm.dispatcher.TokenPool`."""

    def renew_soon(self) -> None:
        """Have new sessions opened: those that are open do not find a key that must be there."""


@dataclass(frozen=True, slots=True)
class Context:
    """What all use cases share.

    Attributes:
        parameters: what anybody may know of the vault.
        keys: of states and pseudonyms.
        ledger: the records.
        token: its workers.
        rules: of attempts.
        clock: the time in ms since the Unix epoch.
        under_way: requests that may be charged. Each runs to its end in a task of its own: a caller
            that goes away changes nothing about what was charged, evaluated or given back.
    """

    parameters: VaultParameters
    keys: Keys
    ledger: Ledger
    token: TokenWorkers
    rules: policy.Rules
    clock: Callable[[], int] = now_ms
    under_way: TaskGroup = field(default_factory=TaskGroup)

    @property
    def server_identity(self) -> bytes:
        """OPAQUE's server identity of this vault."""
        return labels.SERVER_IDENTITY_PREFIX + self.parameters.vault_id.encode()

    def unexpired(self, state: RegistrationState | RecoveryState) -> int:
        """Return the time, if the state is still valid.

        Raises:
            StateExpired: it is not.
        """
        now = self.clock()
        # By the vault's clock alone. A client's has no say in how long a state is good.
        if now > state.expires_at:
            raise StateExpired("this state has expired")
        return now


@contextlib.contextmanager
def malformed(field_name: str) -> Iterator[None]:
    """Refuse what cannot be decoded or opened, before anything is charged."""
    try:
        yield
    except DecodeError as error:
        raise Malformed(field_name, str(error)) from error
    except InvalidSeal as error:
        raise Malformed(
            field_name, "this vault did not issue this state to this account"
        ) from error
