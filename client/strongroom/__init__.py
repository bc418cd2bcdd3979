"""Strongroom: protect a backup key with a password that only its vault can test.

key = BackupKey.generate()
with Vault.connect("vault.example:7443", access_token=token, identity="...") as vault:
    vault.protect(key, password)
    key = vault.recover(password)
key.encrypt_file("chats.db", "chats.db.age")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongroom.attempts import PendingAttempt
    from strongroom.backup_key import BackupKey
    from strongroom.calls import ActiveKey, DestroyedKey, KeyStatus, Registered, VaultInfo
    from strongroom.errors import (
        AccessTokenExpired,
        AccessTokenInvalid,
        AccessTokenMissing,
        AccountMismatch,
        AccountUnknown,
        AnotherKey,
        BackupDamaged,
        BadDigits,
        KeyDestroyed,
        KeyReplaced,
        LastAttemptUnderWay,
        MalformedRequest,
        MessageTooLarge,
        MustWait,
        NoKey,
        NotABackup,
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
        StrongroomError,
        TokenUnavailable,
        VaultBusy,
        VaultInternalError,
        VaultParametersRefused,
        VaultProtocolError,
        VaultUnreachable,
        WrongKey,
        WrongPassword,
        WrongVault,
    )
    from strongroom.invite import BadInvite
    from strongroom.opaque.ksf import Argon2id
    from strongroom.stretching import Stretching
    from strongroom.vault import AsyncVault, Vault

__version__ = "0.1.0"

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
    "BackupDamaged",
    "BackupKey",
    "BadDigits",
    "BadInvite",
    "DestroyedKey",
    "KeyDestroyed",
    "KeyReplaced",
    "KeyStatus",
    "LastAttemptUnderWay",
    "MalformedRequest",
    "MessageTooLarge",
    "MustWait",
    "NoKey",
    "NotABackup",
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
    "TokenUnavailable",
    "Vault",
    "VaultBusy",
    "VaultInfo",
    "VaultInternalError",
    "VaultParametersRefused",
    "VaultProtocolError",
    "VaultUnreachable",
    "WrongKey",
    "WrongPassword",
    "WrongVault",
]

_MODULES = {
    "Argon2id": "opaque.ksf",
    "AsyncVault": "vault",
    "BackupKey": "backup_key",
    "BadInvite": "invite",
    "PendingAttempt": "attempts",
    "Stretching": "stretching",
    "Vault": "vault",
} | dict.fromkeys(("ActiveKey", "DestroyedKey", "KeyStatus", "Registered", "VaultInfo"), "calls")


def __getattr__(name: str) -> object:
    """Import a public name at its first use: a token worker, which needs OPAQUE, loads no gRPC."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
