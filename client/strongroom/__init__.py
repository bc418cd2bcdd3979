"""Strongroom: protect a backup key with a password that only its vault can test.

key = BackupKey.generate()
with Vault.connect("vault.example:7443", access_token=token, identity="...") as vault:
    vault.protect(key, password)
    key = vault.recover(password)
key.encrypt_file("chats.db", "chats.db.age")
"""

from __future__ import annotations

from importlib import import_module

from strongroom_protocol import __version__

TYPE_CHECKING = False  # typing takes a while to load, and Ctrl-C would find a command there
if TYPE_CHECKING:
    from strongroom.async_vault import AsyncVault
    from strongroom.attempts import PendingAttempt
    from strongroom.backup_key import BackupKey
    from strongroom.causes import UnreachableCause
    from strongroom.errors import (
        AccessTokenExpired,
        AccessTokenInvalid,
        AccessTokenMissing,
        AccountMismatch,
        AccountUnknown,
        AnotherKey,
        AttemptLimitRefused,
        BackupDamaged,
        BadCertificates,
        BadDigits,
        BadIdentity,
        HsmUnavailable,
        KeyDestroyed,
        KeyExists,
        KeyReplaced,
        LastAttemptUnderWay,
        MalformedRequest,
        MessageTooLarge,
        MustWait,
        NoKey,
        NotABackup,
        NotAnAccessToken,
        NotEnoughMemory,
        NotEnoughThreads,
        OutputExists,
        PasswordRefused,
        ProtectionUncertain,
        RehearsalFailed,
        RehearsalUnfinished,
        RollbackDetected,
        ScopeMissing,
        StateExpired,
        StoreUnavailable,
        VaultBusy,
        VaultClosed,
        VaultInternalError,
        VaultParametersRefused,
        VaultProtocolError,
        VaultUnreachable,
        WrongKey,
        WrongPassword,
        WrongVault,
    )
    from strongroom.requests import ActiveKey, DestroyedKey, KeyStatus, Registered, VaultInfo
    from strongroom.stretching import Stretching
    from strongroom.vault import Vault
    from strongroom_protocol.addresses import BadAddress
    from strongroom_protocol.errors import StrongroomError
    from strongroom_protocol.invite import BadInvite
    from strongroom_protocol.opaque.ksf import Argon2id

__all__ = [
    "AccessTokenExpired",
    "AccessTokenInvalid",
    "AccessTokenMissing",
    "AccountMismatch",
    "AccountUnknown",
    "ActiveKey",
    "AnotherKey",
    "Argon2id",
    "AsyncVault",
    "AttemptLimitRefused",
    "BackupDamaged",
    "BackupKey",
    "BadAddress",
    "BadCertificates",
    "BadDigits",
    "BadIdentity",
    "BadInvite",
    "DestroyedKey",
    "HsmUnavailable",
    "KeyDestroyed",
    "KeyExists",
    "KeyReplaced",
    "KeyStatus",
    "LastAttemptUnderWay",
    "MalformedRequest",
    "MessageTooLarge",
    "MustWait",
    "NoKey",
    "NotABackup",
    "NotAnAccessToken",
    "NotEnoughMemory",
    "NotEnoughThreads",
    "OutputExists",
    "PasswordRefused",
    "PendingAttempt",
    "ProtectionUncertain",
    "Registered",
    "RehearsalFailed",
    "RehearsalUnfinished",
    "RollbackDetected",
    "ScopeMissing",
    "StateExpired",
    "StoreUnavailable",
    "Stretching",
    "StrongroomError",
    "UnreachableCause",
    "Vault",
    "VaultBusy",
    "VaultClosed",
    "VaultInfo",
    "VaultInternalError",
    "VaultParametersRefused",
    "VaultProtocolError",
    "VaultUnreachable",
    "WrongKey",
    "WrongPassword",
    "WrongVault",
    "__version__",
]

_REQUESTS = ("ActiveKey", "DestroyedKey", "KeyStatus", "Registered", "VaultInfo")
_MODULES = {
    "Argon2id": "strongroom_protocol.opaque.ksf",
    "AsyncVault": "strongroom.async_vault",
    "BackupKey": "strongroom.backup_key",
    "BadAddress": "strongroom_protocol.addresses",
    "BadInvite": "strongroom_protocol.invite",
    "PendingAttempt": "strongroom.attempts",
    "Stretching": "strongroom.stretching",
    "StrongroomError": "strongroom_protocol.errors",
    "UnreachableCause": "strongroom.causes",
    "Vault": "strongroom.vault",
} | dict.fromkeys(_REQUESTS, "strongroom.requests")


def __getattr__(name: str) -> object:
    """Import a public name at its first use: who needs a backup key alone loads no gRPC."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "strongroom.errors")), name)


def __dir__() -> list[str]:
    """List the public names, also those that were not used yet."""
    return __all__
