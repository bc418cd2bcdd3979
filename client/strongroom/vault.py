"""The vault as an application sees it: `Vault`, and `AsyncVault` with the same names."""

from __future__ import annotations

import asyncio
import inspect
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from strongroom import flows
from strongroom.access_tokens import cleaned
from strongroom.account import account_of
from strongroom.backup_key import BackupKey
from strongroom.diagnosis import require_certificates
from strongroom.errors import AccountMismatch, AccountUnknown, AnotherKey, BadIdentity
from strongroom.stretching import Stretching
from strongroom.transport import AccessToken, AsyncTransport, Retrying, Target, Transport
from strongroom_protocol.addresses import meant
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.invite import Invite, is_invite
from strongroom_protocol.opaque.errors import OpaqueError
from strongroom_protocol.opaque.group import Element

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from strongroom.attempts import PendingAttempt
    from strongroom.flows import Flow, Party
    from strongroom.requests import KeyStatus, Registered, VaultInfo

Result = TypeVar("Result")

IDENTITY_SIZE: Final = 44
MAX_TIMEOUT_S: Final = 24 * 3600


class _Threads:
    """Where `AsyncVault` computes: few threads, and not those that the application needs itself."""

    def __init__(self) -> None:
        self._set_up()
        os.register_at_fork(after_in_child=self._set_up)

    def _set_up(self) -> None:
        self._executor = ThreadPoolExecutor(os.cpu_count(), "strongroom")

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Return what the function returns in a thread, in the caller's context."""
        in_context = copy_context().run
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, in_context, function, *arguments)


_threads: Final = _Threads()


@dataclass(frozen=True, slots=True)
class _Options:
    """What `connect` was told about whom to trust and how to work."""

    identity: bytes | None
    vault_id: str | None
    account: str | None
    pending: PendingAttempt | None
    stretching: Stretching


class _Session:
    """What both kinds of vault know: where, who, and whom they trust."""

    def __init__(self, target: Target, options: _Options) -> None:
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
            BadAddress: `address` is none.
            BadInvite: `invite` is none.
            BadIdentity: `identity` is none.
            BadCertificates: there is none in `ca_certificates`.
            TypeError, ValueError: an argument is of another type, or `timeout` out of bounds.
            TypeError: there is neither an address nor an invite, or what an invite says is given
                beside it.
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
            said = Invite.decode(invite)
        elif address is None or is_invite(address):
            raise TypeError("what is needed is an address, or invite=...")
        else:
            known = b"" if identity is None else decode_identity(identity)
            said = Invite(meant(address), vault_id or "", known)
        options = _Options(
            identity=said.identity or None,
            vault_id=said.vault_id or None,
            account=account,
            pending=pending,
            stretching=stretching or Stretching(),
        )
        renew = None if isinstance(access_token, str) else _renewal(access_token)
        target = Target(
            said.address,
            access_token,
            _roots(ca_certificates),
            said.ca_fingerprint,
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

    def _ours(self, given: Any) -> str:  # noqa: ANN401 -- what the application's function returns
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


class Vault(_Session):
    """A connection to one vault for one account. Not for several threads at once.

        with Vault.connect("vault.example:7443", access_token=token, identity="A...") as vault:
            vault.protect(BackupKey.generate(), password)

    Every method raises a StrongroomError that says what a person can do.
    """

    def __init__(self, target: Target, options: _Options) -> None:
        super().__init__(target, options)
        self._transport = Transport(replace(target, access_token=self._checked_token))

    @classmethod
    def _check(cls, access_token: object, timeout: object) -> None:
        super()._check(access_token, timeout)
        if inspect.iscoroutinefunction(access_token):
            raise TypeError("an async function of access tokens is for AsyncVault alone")

    @property
    def account(self) -> str:
        """The account, as the access token names it.

        Raises:
            NotAnAccessToken: what was given as the access token cannot be one.
            AccountMismatch: the token is for another account than the one that was given.
            AccountUnknown: the token names none.
        """
        token = self._checked_token()
        return self._account or account_of(token)

    @property
    def ca_certificates(self) -> bytes | None:
        """PEM of the roots that are trusted; None for gRPC's own, and for an invite's until a call.

        With `address`, `identity` and `vault_id` it does what the invite does.
        """
        return self._transport.roots

    @property
    def info(self) -> VaultInfo:
        """The vault's public parameters."""
        return self._info or self._remember_info(self._run(self._fetch_info()))

    @property
    def identity(self) -> str:
        """The vault's identity, 44 characters; to be pinned once `is_proven` is true."""
        return encode_identity(self.info.identity_public_key)

    def protect(
        self,
        key: BackupKey,
        password: str,
        *,
        attempt_limit: int | None = None,
        before_commit: Callable[[bytes], None] | None = None,
    ) -> Registered:
        """Protect `key` with `password`, replacing what the vault has; then get it back to be sure.

        An old key stays valid until the new one is committed, so this changes a password too.

        Args:
            key: keep it before this is called, or in `before_commit`: the vault may have it and its
                answer be lost.
            password: any that RFC 8265's OpaqueString takes.
            attempt_limit: within the bounds of `info`; None for that of the key that is replaced,
                or else the vault's own.
            before_commit: called with the new key id (16 bytes) right before the message that may
                replace the key; what it raises ends this, and nothing has changed.

        Raises:
            ProtectionUncertain: nobody knows whether the vault has the new key or the old one.
            RehearsalFailed: the vault has the key, and did not give it back.
            RehearsalUnfinished: the vault has the key; whether it gives it back was not seen.
            AttemptLimitRefused: the vault does not allow this attempt limit.
            StrongroomError: another one; the key was not registered.
        """
        _check_types(password, key, before_commit)
        party = self._party()
        flow = flows.protect(party, password, key.to_bytes(), attempt_limit, before_commit)
        registered = self._run(flow)
        self._proven(party.vault)
        return registered

    def recover(self, password: str) -> BackupKey:
        """Return the backup key. Uses one attempt; success gives all of them back.

        A call that was cut off is gone on with by the next one: with the same password, it is the
        same attempt.

        Raises:
            WrongPassword: and how many attempts are left.
            KeyDestroyed: that was the last one, or there was none.
            NoKey: there is nothing to recover.
            MustWait: the next attempt is not allowed yet.
            LastAttemptUnderWay: another device may be about to succeed with the last one.
            NotEnoughMemory, VaultParametersRefused: this device cannot, or will not, stretch it.
            StrongroomError: another one; nothing is decided.
        """
        _check_types(password)
        party = self._party()
        key = BackupKey(self._run(flows.recover(party, password)))
        self._proven(party.vault)
        return key

    def rehearse(self, password: str, key: BackupKey | None = None) -> None:
        """Recover the key and throw it away; compare it with `key` if given.

        Raises:
            AnotherKey: the vault has another key.
        """
        _check_types(password, key)
        _compare(self.recover(password), key)

    def status(self) -> KeyStatus:
        """Return what the vault holds for the account; None for nothing."""
        self._meet_first()
        return self._run(flows.get_key())

    def delete(self) -> None:
        """Delete the account's key in the vault."""
        self._meet_first()
        self._run(flows.delete())

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _checked_token(self) -> str:
        return self._ours(self._given.token())

    def _meet_first(self) -> VaultInfo:
        """Look at the access token before the vault is met, and at the vault before the rest."""
        self._checked_token()
        return self.info

    def _party(self) -> Party:
        return self._party_with(self._meet_first(), self.account)

    def _run(self, flow: Flow[Result]) -> Result:
        try:
            request = next(flow)
            while True:
                try:
                    answer = self._transport.call(request)
                except StrongroomError as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(answer)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        finally:
            flow.close()  # gives back what it holds, also when the call was interrupted


class AsyncVault(_Session):
    """`Vault` for asyncio. Passwords are stretched in threads, so the event loop stays free.

    Of many recoveries at once, in one object or in several, as many are stretched at a time as
    there are processors.
    """

    def __init__(self, target: Target, options: _Options) -> None:
        super().__init__(target, options)
        self._transport = AsyncTransport(replace(target, access_token=self._checked_token))
        self._one_at_a_time = asyncio.Lock()
        """The vault remembers one attempt, so that it can be repeated, not two (6.8)."""

    @property
    def ca_certificates(self) -> bytes | None:
        """PEM of the roots that are trusted; see `Vault.ca_certificates`."""
        return self._transport.roots

    @property
    def account(self) -> str:
        """The account, as the access token names it; see `Vault.account`.

        Raises:
            AccountUnknown: also before the first call, where an async function returns the tokens.
        """
        given = self._given.token()
        if inspect.isawaitable(given):
            if inspect.iscoroutine(given):
                given.close()
            if self._account is None:
                raise AccountUnknown("The account is not known before the first call.")
            return self._account
        token = self._ours(given)
        return self._account or account_of(token)

    async def info(self) -> VaultInfo:
        """Return the vault's public parameters."""
        return self._info or self._remember_info(await self._run(self._fetch_info()))

    async def identity(self) -> str:
        """Return the vault's identity, 44 characters; to be pinned once `is_proven` is true."""
        return encode_identity((await self.info()).identity_public_key)

    async def protect(
        self,
        key: BackupKey,
        password: str,
        *,
        attempt_limit: int | None = None,
        before_commit: Callable[[bytes], None] | None = None,
    ) -> Registered:
        """Protect `key` with `password`; see `Vault.protect`. `before_commit` runs in a thread."""
        _check_types(password, key, before_commit)
        party = await self._party()
        flow = flows.protect(party, password, key.to_bytes(), attempt_limit, before_commit)
        async with self._one_at_a_time:
            registered = await self._run(flow)
        self._proven(party.vault)
        return registered

    async def recover(self, password: str) -> BackupKey:
        """Return the backup key; see `Vault.recover`."""
        _check_types(password)
        party = await self._party()
        async with self._one_at_a_time:
            key = BackupKey(await self._run(flows.recover(party, password)))
        self._proven(party.vault)
        return key

    async def rehearse(self, password: str, key: BackupKey | None = None) -> None:
        """Recover the key and throw it away; see `Vault.rehearse`."""
        _check_types(password, key)
        _compare(await self.recover(password), key)

    async def status(self) -> KeyStatus:
        """Return what the vault holds for the account; None for nothing."""
        await self._meet_first()
        return await self._run(flows.get_key())

    async def delete(self) -> None:
        """Delete the account's key in the vault."""
        await self._meet_first()
        await self._run(flows.delete())

    async def close(self) -> None:
        """Close the connection."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _checked_token(self) -> str:
        given = self._given.token()
        return self._ours(await given if inspect.isawaitable(given) else given)

    async def _meet_first(self) -> VaultInfo:
        await self._checked_token()
        return await self.info()

    async def _party(self) -> Party:
        token = await self._checked_token()
        info = await self.info()
        return self._party_with(info, self._account or account_of(token))

    async def _run(self, flow: Flow[Result]) -> Result:
        step = await _threads.run(_step, flow.send, None)
        while isinstance(step, _Ask):
            try:
                answer = await self._transport.call(step.request)
            except StrongroomError as error:
                step = await _threads.run(_step, flow.throw, error)
            else:
                step = await _threads.run(_step, flow.send, answer)
        result: Result = step
        return result


class _Ask:
    """The flow wants `request` sent; anything else that a step returns is the flow's result."""

    def __init__(self, request: Any) -> None:  # noqa: ANN401 -- any request
        self.request = request


def _step(advance: Any, value: Any) -> Any:  # noqa: ANN401 -- a generator's own types
    """Advance a flow; a StopIteration cannot leave a thread, so it becomes the result."""
    try:
        return _Ask(advance(value))
    except StopIteration as stop:
        return stop.value


def encode_identity(public_key: bytes) -> str:
    """Return a vault's identity (33 bytes) as 44 characters of base64url."""
    return urlsafe_b64encode(public_key).decode()


def decode_identity(identity: str) -> bytes:
    """Return the 33 bytes of a vault's identity.

    Raises:
        BadIdentity: it is not 44 characters of base64url, or not a point of P-256.
    """
    if not isinstance(identity, str):
        raise TypeError("an identity is a str of 44 characters")
    text = identity.strip()
    if len(text) != IDENTITY_SIZE:
        raise BadIdentity(
            f"The text that was given as the vault's identity has {len(text)} characters, not"
            f" {IDENTITY_SIZE}."
        )
    try:
        public_key = urlsafe_b64decode(text)
        Element.decode(public_key)
    except (Base64Error, ValueError, OpaqueError) as error:
        raise BadIdentity from error
    if encode_identity(public_key) != text:
        raise BadIdentity
    return public_key


def _check_types(password: object, key: object = None, before_commit: object = None) -> None:
    """Refuse what a type checker would, before an attempt is used or a key is registered."""
    if not isinstance(password, str):
        raise TypeError("a password is a str")
    if key is not None and not isinstance(key, BackupKey):
        raise TypeError("a key is a BackupKey; BackupKey.from_digits makes one of 64 digits")
    if before_commit is not None and not callable(before_commit):
        raise TypeError("before_commit is a function")


def _compare(recovered: BackupKey, key: BackupKey | None) -> None:
    if key is not None and recovered != key:
        raise AnotherKey


def _renewal(access_token: Callable[[], object]) -> Callable[[], object]:
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
