"""`Vault` for asyncio: the same names, and the methods are awaited."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from strongroom import flows, recovery, registration
from strongroom.account import account_of
from strongroom.arguments import check_types
from strongroom.backup_key import BackupKey
from strongroom.errors import AccountUnknown
from strongroom.identity import encode_identity
from strongroom.session import Session, compare
from strongroom.transport import AsyncTransport
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from types import TracebackType

    from strongroom.flows import Flow, Party
    from strongroom.requests import KeyStatus, Registered, Request, VaultInfo
    from strongroom.route import Target
    from strongroom.session import Options

Result = TypeVar("Result")


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


class AsyncVault(Session):
    """`Vault` for asyncio. Passwords are stretched in threads, so the event loop stays free.

    Of many recoveries at once, in one object or in several, as many are stretched at a time as
    there are processors.
    """

    def __init__(self, target: Target, options: Options) -> None:
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
        token = self._validated(given)
        return self._account or account_of(token)

    async def info(self) -> VaultInfo:
        """Return the vault's public parameters; see `Vault.info`."""
        return self._info or self._remember_info(await self._run(self._fetch_info()))

    async def identity(self) -> str:
        """Return the vault's identity, 44 characters; see `Vault.identity`."""
        return encode_identity((await self.info()).identity_public_key)

    async def protect(
        self,
        key: BackupKey,
        password: str,
        *,
        attempt_limit: int | None = None,
        before_commit: Callable[[bytes], None] | None = None,
        replace: bool = True,
    ) -> Registered:
        """Protect `key` with `password`; see `Vault.protect`. `before_commit` runs in a thread."""
        check_types(
            key=(key, BackupKey),
            password=(password, str),
            attempt_limit=(attempt_limit, int, None),
            before_commit=(before_commit, Callable, None),
            replace=(replace, bool),
        )
        party = await self._party()
        if not replace:
            await self._run(flows.require_no_key())
        flow = registration.protect(party, password, key.to_bytes(), attempt_limit, before_commit)
        async with self._one_at_a_time:
            registered = await self._run(flow)
        self._proven(party.vault)
        return registered

    async def recover(self, password: str) -> BackupKey:
        """Return the backup key; see `Vault.recover`."""
        check_types(password=(password, str))
        party = await self._party()
        async with self._one_at_a_time:
            key = BackupKey(await self._run(recovery.recover(party, password)))
        self._proven(party.vault)
        return key

    async def rehearse(self, password: str, key: BackupKey | None = None) -> None:
        """Recover the key and throw it away; see `Vault.rehearse`."""
        check_types(password=(password, str), key=(key, BackupKey, None))
        compare(await self.recover(password), key)

    async def status(self) -> KeyStatus:
        """Return what the vault holds for the account; see `Vault.status`."""
        await self._require_vault()
        return await self._run(flows.get_key())

    async def delete(self) -> None:
        """Delete the account's key in the vault; see `Vault.delete`."""
        await self._require_vault()
        await self._run(flows.delete())

    async def close(self) -> None:
        """Close the connection; see `Vault.close`."""
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
        return self._validated(await given if inspect.isawaitable(given) else given)

    async def _require_vault(self) -> VaultInfo:
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
        return step  # type: ignore[return-value]  # what the flow returned


@dataclass(frozen=True, slots=True)
class _Ask:
    """The flow wants a request sent; anything else that a step returns is the flow's result."""

    request: Request[Any]


def _step(advance: Callable[[Any], Request[Any]], value: object) -> object:
    """Advance a flow; a StopIteration cannot leave a thread, so it becomes the result."""
    try:
        return _Ask(advance(value))
    except StopIteration as stop:
        return stop.value
