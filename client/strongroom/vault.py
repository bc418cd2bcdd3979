"""The vault as an application sees it, blocking; `async_vault.py` has the same for asyncio."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Self, TypeVar

from strongroom import flows, recovery, registration
from strongroom.account import account_of
from strongroom.arguments import check_types
from strongroom.backup_key import BackupKey
from strongroom.identity import encode_identity
from strongroom.session import Session, compare
from strongroom.transport import Transport, drive

if TYPE_CHECKING:
    from types import TracebackType

    from strongroom.flows import Flow, Party
    from strongroom.requests import KeyStatus, Registered, VaultInfo
    from strongroom.route import AccessToken, Target
    from strongroom.session import Options

Result = TypeVar("Result")


class Vault(Session):
    """A connection to one vault for one account. Not for several threads at once.

        with Vault.connect("vault.example:7443", access_token=token, identity="A...") as vault:
            vault.protect(BackupKey.generate(), password)

    Every method raises a StrongroomError that says what a person can do.
    """

    def __init__(self, target: Target, options: Options) -> None:
        super().__init__(target, options)
        self._transport = Transport(replace(target, access_token=self._checked_token))

    @classmethod
    def _check(cls, access_token: AccessToken, timeout: float) -> None:
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

        With `address`, `identity()` and the vault id it does what the invite does.
        """
        return self._transport.roots

    def info(self) -> VaultInfo:
        """Return the vault's public parameters; only the first call asks the vault.

        Raises:
            WrongVault: its identity or id is another one than was given to `connect`.
            VaultUnreachable: there was no answer in time.
            StrongroomError: another one; see `errors`.
        """
        return self._info or self._remember_info(self._run(self._fetch_info()))

    def identity(self) -> str:
        """Return the vault's identity, 44 characters; to be pinned once `is_proven` is true.

        Raises:
            StrongroomError: as `info`.
        """
        return encode_identity(self.info().identity_public_key)

    def protect(
        self,
        key: BackupKey,
        password: str,
        *,
        attempt_limit: int | None = None,
        before_commit: Callable[[bytes], None] | None = None,
        replace: bool = True,
    ) -> Registered:
        """Protect `key` with `password`, replacing what the vault has; then get it back to be sure.

        A key that the account has in the vault is replaced for good and without a question, unless
        `replace` is false; it stays valid until the new one is committed. So this changes a
        password too.

        Args:
            key: keep it before this is called, or in `before_commit`: the vault may have it and its
                answer be lost.
            password: any that RFC 8265's OpaqueString takes.
            attempt_limit: within the bounds of `info()`; None for that of the key that is replaced,
                or else the vault's own.
            before_commit: called with the new key id (16 bytes) right before the message that may
                replace the key; what it raises ends this, and nothing has changed.
            replace: False asks the vault first (the access token needs the scope `read`), and
                refuses where there is a key. It is a question and no lock: another device may
                register a key right after it.

        Raises:
            ProtectionUncertain: nobody knows whether the vault has the new key or the old one.
            RehearsalFailed: the vault has the key, and did not give it back.
            RehearsalUnfinished: the vault has the key; whether it gives it back was not seen.
            AttemptLimitRefused: the vault does not allow this attempt limit.
            KeyExists: `replace` is false, and the vault has a key. Nothing has changed.
            StrongroomError: another one; the key was not registered.
        """
        check_types(
            key=(key, BackupKey),
            password=(password, str),
            attempt_limit=(attempt_limit, int, None),
            before_commit=(before_commit, Callable, None),
            replace=(replace, bool),
        )
        party = self._party()
        if not replace:
            self._run(flows.require_no_key())
        flow = registration.protect(party, password, key.to_bytes(), attempt_limit, before_commit)
        registered = self._run(flow)
        self._proven(party.vault)
        return registered

    def recover(self, password: str) -> BackupKey:
        """Return the backup key. Uses one attempt; success gives all of them back.

        A call that was cut off is gone on with by the next one: with the same password, it is the
        same attempt.

        Args:
            password: what `protect` was given, as the person types it.

        Raises:
            WrongPassword: and how many attempts are left.
            KeyDestroyed: that was the last one, or there was none.
            NoKey: there is nothing to recover.
            MustWait: the next attempt is not allowed yet.
            LastAttemptUnderWay: another device may be about to succeed with the last one.
            NotEnoughMemory, VaultParametersRefused: this device cannot, or will not, stretch it.
            StrongroomError: another one; nothing is decided.
        """
        check_types(password=(password, str))
        party = self._party()
        key = BackupKey(self._run(recovery.recover(party, password)))
        self._proven(party.vault)
        return key

    def rehearse(self, password: str, key: BackupKey | None = None) -> None:
        """Recover the key and throw it away; compare it with `key` if given.

        Args:
            password: as for `recover`; a wrong one uses an attempt.
            key: the one that the vault should have; None for any.

        Raises:
            AnotherKey: the vault has another key.
            StrongroomError: as `recover`.
        """
        check_types(password=(password, str), key=(key, BackupKey, None))
        compare(self.recover(password), key)

    def status(self) -> KeyStatus:
        """Return what the vault holds for the account: ActiveKey, DestroyedKey, None for nothing.

        Uses no attempt. The access token needs the scope `read`.

        Raises:
            ScopeMissing: the access token does not allow to ask.
            VaultUnreachable: there was no answer in time.
            StrongroomError: another one; see `errors`.
        """
        self._require_vault()
        return self._run(flows.get_key())

    def delete(self) -> None:
        """Delete the account's key in the vault, for good. The access token is enough for it.

        Attempts that were used count against the next key, until its password is proved.

        Raises:
            NoKey: there is none.
            KeyDestroyed: a destroyed key stays as it is.
            VaultUnreachable: there was no answer in time; the same call again is safe.
            StrongroomError: another one; see `errors`.
        """
        self._require_vault()
        self._run(flows.delete())

    def close(self) -> None:
        """Close the connection; later calls raise VaultClosed. May be called twice."""
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
        return self._validated(self._given.token())

    def _require_vault(self) -> VaultInfo:
        """Check the access token before the vault is called, and the vault before anything else."""
        self._checked_token()
        return self.info()

    def _party(self) -> Party:
        return self._party_with(self._require_vault(), self.account)

    def _run(self, flow: Flow[Result]) -> Result:
        return drive(flow, self._transport.call)
