"""What the client itself finds wrong: with the vault, the password, this device, what was given."""

from __future__ import annotations

from typing import Final

from strongroom.causes import UnreachableCause
from strongroom_protocol.errors import StrongroomError

_READABLE: Final = 10**18


class VaultUnreachable(StrongroomError):
    """No answer came in time.

    Attributes:
        cause: why, as far as it could be found out.
        address: host:port that was called, or empty.
        proxy: host:port of the HTTP proxy on the way and the variable that names it, or empty.
    """

    message = "The vault does not answer."
    hint = "Check the network and the vault's address, and try again."
    cause: UnreachableCause = UnreachableCause.NO_ANSWER
    address: str = ""
    proxy: str = ""


class VaultClosed(StrongroomError):
    """The `Vault` was closed before, or while it was at work."""

    message = "This connection to the vault is closed."
    hint = "Connect again: Vault.connect(...)."


class ProtectionUncertain(VaultUnreachable):
    """The answer to the registration was lost: the vault has the new key or the old one.

    `key_id` (16 bytes) is the new one's; `Vault.status` tells which it is. Until then neither the
    new backup key nor the old password may be thrown away.
    """

    message = "The vault's answer was lost: it may or may not have the new key."
    hint = "Keep the key, and do the same again when the vault answers."

    def __init__(self, key_id: bytes, unanswered: StrongroomError | None = None) -> None:
        super().__init__()
        self.key_id = key_id
        if isinstance(unanswered, VaultUnreachable):
            self.cause, self.address = unanswered.cause, unanswered.address
            self.proxy = unanswered.proxy


class NotEnoughMemory(StrongroomError):
    """The password cannot be stretched here: the memory, or the threads, are not to be had.

    `memory_kib` is how much it takes at once, in KiB. `is_paid_for` is whether an attempt was
    charged already: the memory went away while it was under way. The same password again is the
    same attempt then.
    """

    hint = "Close other programs and try again, or use another device."

    def __init__(self, memory_kib: int, *, is_paid_for: bool = False) -> None:
        mebibytes = -(-memory_kib // 1024)
        attempt = "Try again within two minutes." if is_paid_for else "No attempt was used."
        super().__init__(
            f"There is not enough memory to work with the password: {mebibytes} MiB are needed at"
            f" once. {attempt}"
        )
        self.memory_kib = memory_kib
        self.is_paid_for = is_paid_for


class NotEnoughThreads(StrongroomError):
    """The system does not give this program the threads that it needs."""

    message = "The system does not let this program start as many threads as it needs."
    hint = "Close other programs, or raise the limit on processes (`ulimit -u`), and try again."


class LastAttemptUnderWay(StrongroomError):
    """All attempts are used, and the last one is not decided yet."""

    message = "The last attempt is under way, perhaps on another device. None is left for this one."
    hint = (
        "If it was yours, finish it there within two minutes. After that the key is destroyed, and"
        " only the 64-digit key opens the backup."
    )


class KeyExists(StrongroomError):
    """The account has a key in the vault already, and it was not to be replaced.

    `key_id` (16 bytes) names the one that is there.
    """

    message = "The vault has a backup key for this account already. Nothing has changed."
    hint = "Recover it with its password, or replace it for good with replace=True."

    def __init__(self, key_id: bytes) -> None:
        super().__init__()
        self.key_id = key_id


class MessageTooLarge(StrongroomError):
    """A message is larger than the 16 KiB of the protocol."""

    message = "A message is larger than the protocol allows."
    hint = "Check the size of the access token; a true vault's messages are never so large."


class WrongVault(StrongroomError):
    """This is not the vault that it should be."""

    message = "This is not the vault whose identity is pinned, or it cannot prove that it is."
    hint = "Do not go on. Check the address; if it is right, ask the vault's operator."


class BadIdentity(WrongVault):
    """What was given as the vault's identity cannot be one."""

    message = "The given text is not a vault's identity."
    hint = "It has 44 characters; copy all of them from where it was kept or published."


class BadCertificates(StrongroomError):
    """What was given as the certificates to trust has none in it."""

    message = "There is no usable PEM certificate in what was given as the certificates to trust."
    hint = "Give the PEM file (BEGIN CERTIFICATE) of whoever issued the vault's certificate."


class AttemptLimitRefused(StrongroomError):
    """The vault does not allow this attempt limit. Nothing was sent.

    Attributes:
        attempt_limit: what was asked for.
        minimum: the lowest that this vault allows.
        maximum: the highest.
    """

    hint = "Choose a number within these bounds, or leave it to the vault."

    def __init__(self, attempt_limit: int, minimum: int, maximum: int) -> None:
        super().__init__(
            f"This vault allows an attempt limit of {minimum} to {maximum}, and not"
            f" {_short(attempt_limit)}."
        )
        self.attempt_limit = attempt_limit
        self.minimum = minimum
        self.maximum = maximum


class VaultProtocolError(StrongroomError):
    """The vault's answer is not what the protocol says."""

    message = "The vault's answer does not follow the protocol."
    hint = "Do not trust this vault; tell its operator."


class VaultParametersRefused(StrongroomError):
    """The vault wants password stretching that is too weak, or too heavy for this application."""

    message = "The vault asks for password stretching outside the bounds that this client accepts."
    hint = "Do not go on; tell the vault's operator."


class RehearsalFailed(StrongroomError):
    """The vault took a key and did not give it back: it is broken, or it lies."""

    message = "The vault took the key, but did not give it back for the password."
    hint = (
        "Do not rely on this vault, and use this password nowhere again: the 64-digit key alone"
        " opens your backups. Tell the vault's operator."
    )


class AnotherKey(RehearsalFailed):
    """The password is right, and the key behind it is not the one that it was compared with."""

    message = "The password is right, but the vault has another backup key than this device."
    hint = "Another device replaced the key in the vault. Choose which of the two shall stand."


class RehearsalUnfinished(StrongroomError):
    """The vault took the key; getting it back was cut off, which says nothing about the password.

    `key_id` (16 bytes) names the registered key, `reason` says what came between.
    """

    hint = "Call Vault.rehearse; until it succeeds, rely on the key's 64 digits alone."

    def __init__(self, key_id: bytes, reason: StrongroomError) -> None:
        super().__init__(f"The vault took the key, but getting it back was cut off: {reason}")
        self.key_id = key_id
        self.reason = reason


class PasswordRefused(StrongroomError):
    """The text cannot be a password (RFC 8265 OpaqueString)."""

    message = "This cannot be a password: it is empty, too long, or has control characters."
    hint = "Check how it was typed. If it is a new password, choose another one."


class AccountUnknown(StrongroomError):
    """The access token names no account."""

    message = "The access token names no account."
    hint = "Check that the token is a JWT with a `sub` claim."


class AccountMismatch(StrongroomError):
    """The access token is another account's than the one that was named, or than the one before."""

    message = "The access token is for another account."
    hint = "Use the access token of the account whose key this is."


def _short(number: int) -> str:
    """Return a number in digits, as long as that is readable: Python refuses to write some."""
    return str(number) if abs(number) < _READABLE else "a number so far outside"
