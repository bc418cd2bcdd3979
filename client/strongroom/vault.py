"""The vault as an application sees it: `Vault`, and `AsyncVault` with the same names."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from strongroom import flows
from strongroom.account import account_of
from strongroom.backup_key import BackupKey
from strongroom.errors import RehearsalFailed, StrongroomError, WrongVault
from strongroom.transport import AccessToken, AsyncTransport, Target, Transport

if TYPE_CHECKING:
    from types import TracebackType

    from strongroom.calls import KeyStatus, Registered, VaultInfo
    from strongroom.flows import Flow, Party

Result = TypeVar("Result")


class _Session:
    """What both kinds of vault know: where, who, and whom they trust."""

    def __init__(self, target: Target, identity: str | None, account: str | None) -> None:
        self._target = target
        self._pinned = None if identity is None else decode_identity(identity)
        self._account = account
        self._info: VaultInfo | None = None

    @property
    def account(self) -> str:
        """The account, as the access token names it."""
        if self._account is None:
            self._account = account_of(self._target.token())
        return self._account

    def _known(self, info: VaultInfo) -> VaultInfo:
        """Pin the vault of the first contact, and remember its parameters."""
        self._pinned = info.identity_public_key
        self._info = info
        return info

    def _party(self, info: VaultInfo) -> Party:
        return flows.Party(info, self.account)


class Vault(_Session):
    """A connection to one vault for one account. Not for several threads at once.

        with Vault.connect("vault.example:7443", access_token=token, identity="A...") as vault:
            vault.protect(BackupKey.generate(), password)

    Every method raises a StrongroomError that says what a person can do.
    """

    def __init__(self, target: Target, identity: str | None, account: str | None) -> None:
        super().__init__(target, identity, account)
        self._transport = Transport(target)

    @classmethod
    def connect(
        cls,
        address: str,
        *,
        access_token: AccessToken,
        identity: str | None = None,
        ca_certificates: bytes | str | Path | None = None,
        account: str | None = None,
        timeout: float = 30.0,
    ) -> Self:
        """Return a vault; the network is first used by the first call.

        Args:
            address: host:port.
            access_token: a JWT, or a function that returns a fresh one.
            identity: 44 characters, the vault's identity. None trusts the first contact; keep
                `vault.identity` then and give it the next time.
            ca_certificates: PEM as bytes, or the path of a file with it. None for the roots that
                gRPC trusts.
            account: None for the one in the access token.
            timeout: seconds for one request with all its repetitions.
        """
        roots = _roots(ca_certificates)
        return cls(Target(address, access_token, roots, timeout), identity, account)

    @property
    def info(self) -> VaultInfo:
        """The vault's public parameters."""
        return self._info or self._known(self._run(flows.meet(self._pinned)))

    @property
    def identity(self) -> str:
        """The vault's identity, 44 characters, to be pinned."""
        return encode_identity(self.info.identity_public_key)

    def protect(
        self, key: BackupKey, password: str, *, attempt_limit: int | None = None
    ) -> Registered:
        """Protect `key` with `password`, replacing what the vault has; then get it back to be sure.

        An old key stays valid until the new one is committed, so this changes a password too.
        """
        party = self._party(self.info)
        return self._run(flows.protect(party, password, key.to_bytes(), attempt_limit))

    def recover(self, password: str) -> BackupKey:
        """Return the backup key. Raises WrongPassword, KeyDestroyed, NoKey and others."""
        return BackupKey(self._run(flows.recover(self._party(self.info), password)))

    def rehearse(self, password: str, key: BackupKey | None = None) -> None:
        """Recover the key and throw it away; compare it with `key` if given.

        Raises:
            RehearsalFailed: the vault has another key.
        """
        _compare(self.recover(password), key)

    def status(self) -> KeyStatus:
        """Return what the vault holds for the account; None for nothing."""
        return self._run(flows.get_key())

    def delete(self) -> None:
        """Delete the account's key in the vault."""
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


class AsyncVault(_Session):
    """`Vault` for asyncio. Password stretching runs in a thread, so the event loop stays free."""

    def __init__(self, target: Target, identity: str | None, account: str | None) -> None:
        super().__init__(target, identity, account)
        self._transport = AsyncTransport(target)

    @classmethod
    def connect(
        cls,
        address: str,
        *,
        access_token: AccessToken,
        identity: str | None = None,
        ca_certificates: bytes | str | Path | None = None,
        account: str | None = None,
        timeout: float = 30.0,
    ) -> Self:
        """Return a vault; see `Vault.connect`."""
        roots = _roots(ca_certificates)
        return cls(Target(address, access_token, roots, timeout), identity, account)

    async def info(self) -> VaultInfo:
        """Return the vault's public parameters."""
        return self._info or self._known(await self._run(flows.meet(self._pinned)))

    async def identity(self) -> str:
        """Return the vault's identity, 44 characters, to be pinned."""
        return encode_identity((await self.info()).identity_public_key)

    async def protect(
        self, key: BackupKey, password: str, *, attempt_limit: int | None = None
    ) -> Registered:
        """Protect `key` with `password`; see `Vault.protect`."""
        party = self._party(await self.info())
        return await self._run(flows.protect(party, password, key.to_bytes(), attempt_limit))

    async def recover(self, password: str) -> BackupKey:
        """Return the backup key. Raises WrongPassword, KeyDestroyed, NoKey and others."""
        party = self._party(await self.info())
        return BackupKey(await self._run(flows.recover(party, password)))

    async def rehearse(self, password: str, key: BackupKey | None = None) -> None:
        """Recover the key and throw it away; see `Vault.rehearse`."""
        _compare(await self.recover(password), key)

    async def status(self) -> KeyStatus:
        """Return what the vault holds for the account; None for nothing."""
        return await self._run(flows.get_key())

    async def delete(self) -> None:
        """Delete the account's key in the vault."""
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

    async def _run(self, flow: Flow[Result]) -> Result:
        step = await asyncio.to_thread(_step, flow.send, None)
        while isinstance(step, _Ask):
            try:
                answer = await self._transport.call(step.request)
            except StrongroomError as error:
                step = await asyncio.to_thread(_step, flow.throw, error)
            else:
                step = await asyncio.to_thread(_step, flow.send, answer)
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
        WrongVault: it is not 44 characters of base64url.
    """
    try:
        public_key = urlsafe_b64decode(identity.strip())
    except (Base64Error, ValueError) as error:
        raise WrongVault("The pinned identity is not one.") from error
    if encode_identity(public_key) != identity.strip():
        raise WrongVault("The pinned identity is not one.")
    return public_key


def _compare(recovered: BackupKey, key: BackupKey | None) -> None:
    if key is not None and recovered != key:
        raise RehearsalFailed("The vault has another key than this device.")


def _roots(ca_certificates: bytes | str | Path | None) -> bytes | None:
    if ca_certificates is None or isinstance(ca_certificates, bytes):
        return ca_certificates
    return Path(ca_certificates).read_bytes()
