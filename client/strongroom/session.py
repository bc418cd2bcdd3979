"""What both kinds of vault know: where it is, who asks, and whom they trust."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from strongroom import flows
from strongroom.access_tokens import cleaned
from strongroom.account import account_of
from strongroom.backup_key import BackupKey
from strongroom.diagnosis import require_certificates
from strongroom.errors import AccountMismatch, AccountUnknown, AnotherKey
from strongroom.identity import decode_identity
from strongroom.route import AccessToken, Retrying, Target
from strongroom.stretching import Stretching
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.invite import Invite, is_invite

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.attempts import PendingAttempt
    from strongroom.flows import Flow, Party
    from strongroom.requests import VaultInfo

MAX_TIMEOUT_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Options:
    """What `connect` was told about whom to trust and how to work."""

    identity: bytes | None
    vault_id: str | None
    account: str | None
    pending: PendingAttempt | None
    stretching: Stretching


class Session:
    """What both kinds of vault know: where, who, and whom they trust."""

    def __init__(self, target: Target, options: Options) -> None:
        self._given = target
        self._options = options
        self._account = options.account
        self._identity = options.identity
        self._vault_id = options.vault_id
        self._info: VaultInfo | None = None
        self._is_proven = False

    @classmethod
    def connect(  # noqa: PLR0913 -- each goes by its name
        cls,
        address: str | None = None,
        *,
        access_token: AccessToken,
        invite: str | None = None,
        identity: str | None = None,
        vault_id: str | None = None,
        ca_certificates: bytes | str | Path | None = None,
        account: str | None = None,
        timeout: float = 30.0,
        pending: PendingAttempt | None = None,
        stretching: Stretching | None = None,
        retrying: Retrying | None = None,
    ) -> Self:
        """Return a vault; the network is first used by the first call.

        Args:
            address: host:port, or https://host:port; None with an invite.
            access_token: a JWT, or a function that returns one, which may be async for an
                AsyncVault. White space around it does not count. The function is called for every
                request, and once more when the vault says that the token before has expired. If it
                keeps a token for some time, give it an attribute `renew`, a function: called right
                before that.
            invite: names address, identity, vault id and certificates, in one string that the
                vault's operator gives out.
            identity: 44 characters, the vault's identity. None trusts the first contact; keep
                `identity` once `is_proven` is true, and give it the next time.
            vault_id: None for any; keep it with the identity.
            ca_certificates: PEM as bytes, or the path of a file with it. None for the roots that
                gRPC trusts.
            account: whom the access token must be for; None for whom the first one is for.
            timeout: seconds for one request with all its repetitions.
            pending: keeps the seed of an undecided attempt, so that a repetition after a lost
                answer is not another attempt. None keeps it in memory, where all objects of this
                process that try the same password on the same key share it.
            stretching: how heavy it may be, and who is told of it. None takes what the protocol
                takes, up to 1 GiB and 16 passes, without a word.
            retrying: told why there was no answer, before a request is sent again; must not block.

        Raises:
            BadAddress: `address` is not host:port.
            BadInvite: `invite` is not a whole invite.
            BadIdentity: `identity` is not a vault's identity.
            BadCertificates: `ca_certificates` has no certificate in it.
            TypeError, ValueError: an argument is of another type, or `timeout` out of bounds.
            TypeError: there is neither an address nor an invite, or something is given that an
                invite says.
            OSError: the file of `ca_certificates` cannot be read.
        """
        cls._check(access_token, timeout)
        for name, value, kind in (
            ("vault_id", vault_id, str),
            ("account", account, str),
            ("stretching", stretching, Stretching),
        ):
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"{name} is a {kind.__name__} or None")
        if invite is not None:
            if (address, identity, vault_id, ca_certificates) != (None,) * 4:
                raise TypeError("an invite names address, identity, vault id and certificates")
            invited = Invite.decode(invite)
        elif address is None or is_invite(address):
            raise TypeError("what is needed is an address, or invite=...")
        else:
            known = b"" if identity is None else decode_identity(identity)
            invited = Invite(parse_address(address), vault_id or "", known)
        options = Options(
            identity=invited.identity or None,
            vault_id=invited.vault_id or None,
            account=account,
            pending=pending,
            stretching=stretching or Stretching(),
        )
        renew = None if isinstance(access_token, str) else _renew_function(access_token)
        target = Target(
            invited.address,
            access_token,
            _roots(ca_certificates),
            invited.ca_fingerprint,
            renew,
            timeout,
            retrying,
        )
        return cls(target, options)

    @classmethod
    def _check(cls, access_token: object, timeout: object) -> None:
        """Refuse what a type checker would: an error here is better than one in the first call."""
        if not isinstance(access_token, str) and not callable(access_token):
            raise TypeError("access_token is a str, or a function that returns one")
        if isinstance(timeout, bool) or not isinstance(timeout, int | float):
            raise TypeError("timeout is a number of seconds")
        if not 0 < timeout <= MAX_TIMEOUT_S:
            raise ValueError("timeout is above 0 seconds, and at most a day")

    @property
    def is_proven(self) -> bool:
        """Whether the vault proved its identity, by giving a key back: only then pin it (4.3)."""
        return self._is_proven

    @property
    def is_attempt_pending(self) -> bool:
        """Whether `pending` keeps an attempt: its password again is not another one."""
        pending = self._options.pending
        return pending is not None and pending.load() is not None

    def _validated(self, given: object) -> str:
        """Return an access token of the one account that this object acts for."""
        token = cleaned(given)
        try:
            account = account_of(token)
        except AccountUnknown:
            return token  # the vault takes no token without an account, and says so
        if self._account is None:
            self._account = account
        if account != self._account:
            raise AccountMismatch
        return token

    def _fetch_info(self) -> Flow[VaultInfo]:
        return flows.fetch_info(self._identity, self._vault_id)

    def _remember_info(self, info: VaultInfo) -> VaultInfo:
        self._info = info
        return info

    def _proven(self, info: VaultInfo) -> None:
        """From now on it is this vault, also for this object."""
        self._is_proven = True
        self._identity, self._vault_id = info.identity_public_key, info.vault_id

    def _party_with(self, info: VaultInfo, account: str) -> Party:
        options = self._options
        return flows.Party(info, account, options.pending, options.stretching)


def check_types(password: object, key: object = None, before_commit: object = None) -> None:
    """Refuse what a type checker would, before an attempt is used or a key is registered."""
    if not isinstance(password, str):
        raise TypeError("a password is a str")
    if key is not None and not isinstance(key, BackupKey):
        raise TypeError("a key is a BackupKey; BackupKey.from_digits makes one of 64 digits")
    if before_commit is not None and not callable(before_commit):
        raise TypeError("before_commit is a function")


def compare(recovered: BackupKey, key: BackupKey | None) -> None:
    """Raise AnotherKey if a key that is expected is not the one that came back."""
    if key is not None and recovered != key:
        raise AnotherKey


def _renew_function(access_token: Callable[[], object]) -> Callable[[], object]:
    """Return what to call when a token has expired: a function that keeps none needs nothing."""
    renew: Callable[[], object] = getattr(access_token, "renew", lambda: None)
    return renew


def _roots(ca_certificates: bytes | str | Path | None) -> bytes | None:
    """Return the PEM that is meant.

    Raises:
        BadCertificates: there is no certificate in it.
    """
    if ca_certificates is None:
        return None
    if isinstance(ca_certificates, bytes):
        roots = ca_certificates
    else:
        roots = Path(ca_certificates).read_bytes()
    require_certificates(roots)
    return roots
