"""Everything that can go wrong for an application or a person: one class for each.

`str(error)` is a sentence for a person; `hint` says what to do next. No message holds a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.causes import UnreachableCause
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from datetime import datetime

_READABLE = 10**18


# What the vault answers


class AccessTokenMissing(StrongroomError):
    """The vault got no access token."""

    sentence = "The vault wants an access token, and got none."
    hint = "Sign in again with the application that issues your access tokens."


class AccessTokenInvalid(StrongroomError):
    """The vault does not accept the access token."""

    sentence = "The vault does not accept the access token."
    hint = "Sign in again, and check that the token is for this vault."


class NotAnAccessToken(AccessTokenInvalid):
    """What was given as the access token cannot be one, so it is not sent. `reason` says why."""

    hint = "Give the token alone, as its issuer wrote it: three parts of plain ASCII with dots."

    def __init__(self, reason: str, sentence: str = "This is not an access token") -> None:
        super().__init__(f"{sentence}: {reason}.")
        self.reason = reason


class AccessTokenExpired(StrongroomError):
    """The access token has expired."""

    sentence = "The access token has expired."
    hint = "Get a new one (sign in again) and repeat the command. No attempt was used."


class ScopeMissing(StrongroomError):
    """The access token does not allow this call. `scope` is the one that is missing."""

    hint = "Ask the issuer of the access token for one with this scope."

    def __init__(self, scope: str) -> None:
        super().__init__(f"The access token does not allow this: it lacks the scope {scope!r}.")
        self.scope = scope


class MalformedRequest(StrongroomError):
    """The vault cannot read the request. `field` names what is wrong in it."""

    hint = "This client and the vault do not fit together, or something between them changes data."

    def __init__(self, field: str) -> None:
        super().__init__(f"The vault cannot read the request ({field}).")
        self.field = field


class NoKey(StrongroomError):
    """The account has no key in this vault."""

    sentence = "There is no backup key for this account in the vault."
    hint = "If a backup was enabled, check the account and the vault; else enable it first."


class WrongPassword(StrongroomError):
    """The password is wrong. `attempts_left` is how many more the vault will test."""

    hint = "Check the keyboard layout and capital letters, and try again."

    def __init__(self, attempts_left: int) -> None:
        left = f"{attempts_left} attempts are left."
        if attempts_left == 1:
            left = "1 attempt is left: the next wrong password destroys the key for good."
        super().__init__(f"Wrong password. {left}")
        self.attempts_left = attempts_left


class KeyDestroyed(StrongroomError):
    """The vault destroyed the key: after too many wrong passwords. `destroyed_at` may be None."""

    hint = "Only the 64-digit key opens the backup now: strongroom restore --digits."

    def __init__(self, destroyed_at: datetime | None, cause: str) -> None:
        when = f" on {destroyed_at:%Y-%m-%d at %H:%M} UTC" if destroyed_at else ""
        is_known = cause == "attempt_limit"
        why = "after too many wrong passwords" if is_known else f"for this cause: {cause}"
        super().__init__(f"The vault destroyed this key for good{when}, {why}.")
        self.destroyed_at = destroyed_at
        self.cause = cause


class KeyReplaced(StrongroomError):
    """Another device registered a new key meanwhile."""

    sentence = "The key in the vault was replaced while this was under way."
    hint = "Start again. If it was not you, someone else has access to this account."


class StateExpired(StrongroomError):
    """The second step came too late."""

    sentence = "This took too long, and the vault has closed it."
    hint = "Start again."


class MustWait(StrongroomError):
    """The vault makes the next attempt wait. `retry_after` is in seconds. No attempt was used."""

    hint = "Wait, then try again. Trying earlier uses no attempt."

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"The next attempt must wait {_duration(retry_after)}.")
        self.retry_after = retry_after


class VaultBusy(StrongroomError):
    """The vault has too much to do."""

    sentence = "The vault is too busy at the moment."
    hint = "Try again in a minute."


class HsmUnavailable(StrongroomError):
    """The vault's token does not answer."""

    sentence = "The vault cannot use its keys at the moment."
    hint = "Try again in a minute."


class StoreUnavailable(StrongroomError):
    """The vault's store does not answer."""

    sentence = "The vault cannot reach its records at the moment."
    hint = "Try again in a minute."


class RollbackDetected(StrongroomError):
    """The vault's database is not the newest one, so it serves nothing."""

    sentence = "The vault has stopped: its database is not the newest one."
    hint = "Only the vault's operator can mend this. Your key is not lost by it."


class VaultInternalError(StrongroomError):
    """The vault failed in a way that it does not explain."""

    sentence = "The vault failed."
    hint = "Tell the vault's operator when this happened."


# What the client finds itself


class VaultUnreachable(StrongroomError):
    """No answer came in time.

    Attributes:
        cause: why, as far as it could be found out.
        address: host:port that was called, or empty.
        proxy: host:port of the HTTP proxy on the way and the variable that names it, or empty.
    """

    sentence = "The vault does not answer."
    hint = "Check the network and the vault's address, and try again."
    cause: UnreachableCause = UnreachableCause.NO_ANSWER
    address: str = ""
    proxy: str = ""


class VaultClosed(StrongroomError):
    """The `Vault` was closed before, or while it was at work."""

    sentence = "This connection to the vault is closed."
    hint = "Connect again: Vault.connect(...)."


class ProtectionUncertain(VaultUnreachable):
    """The answer to the registration was lost: the vault has the new key or the old one.

    `key_id` (16 bytes) is the new one's; `Vault.status` tells which it is. Until then neither the
    new backup key nor the old password may be thrown away.
    """

    sentence = "The vault's answer was lost: it may or may not have the new key."
    hint = "Keep the key, and do the same again when the vault answers."

    def __init__(self, key_id: bytes, unanswered: StrongroomError | None = None) -> None:
        super().__init__()
        self.key_id = key_id
        if isinstance(unanswered, VaultUnreachable):
            self.cause, self.address = unanswered.cause, unanswered.address
            self.proxy = unanswered.proxy


class NotEnoughMemory(StrongroomError):
    """The password cannot be stretched here: the memory, or the threads, are not to be had.

    `is_paid_for` is whether an attempt was charged already: the memory went away while it was under
    way. The same password again is the same attempt then.
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

    sentence = "The system does not let this program start as many threads as it needs."
    hint = "Close other programs, or raise the limit on processes (`ulimit -u`), and try again."


class LastAttemptUnderWay(StrongroomError):
    """All attempts are used, and the last one is not decided yet."""

    sentence = (
        "The last attempt is under way, perhaps on another device. None is left for this one."
    )
    hint = (
        "If it was yours, finish it there within two minutes. After that the key is destroyed, and"
        " only the 64-digit key opens the backup."
    )


class MessageTooLarge(StrongroomError):
    """A message is larger than the 16 KiB of the protocol."""

    sentence = "A message is larger than the protocol allows."
    hint = "Check the size of the access token; a true vault's messages are never so large."


class WrongVault(StrongroomError):
    """This is not the vault that it should be."""

    sentence = "This is not the vault whose identity is pinned, or it cannot prove that it is."
    hint = "Do not go on. Check the address; if it is right, ask the vault's operator."


class BadIdentity(WrongVault):
    """What was given as the vault's identity cannot be one."""

    sentence = "The text that was given as the vault's identity is not one."
    hint = "It has 44 characters; copy all of them from where it was kept or published."


class BadCertificates(StrongroomError):
    """What was given as the certificates to trust has none in it."""

    sentence = "There is no usable PEM certificate in what was given as the certificates to trust."
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

    sentence = "The vault's answer makes no sense."
    hint = "Do not trust this vault; tell its operator."


class VaultParametersRefused(StrongroomError):
    """The vault wants password stretching that is too weak, or too heavy for this application."""

    sentence = "The vault asks for password stretching outside of the bounds that are taken here."
    hint = "Do not go on; tell the vault's operator."


class RehearsalFailed(StrongroomError):
    """The vault took a key and did not give it back: it is broken, or it lies."""

    sentence = "The vault took the key, but did not give it back for the password."
    hint = (
        "Do not rely on this vault, and use this password nowhere again: the 64-digit key alone"
        " opens your backups. Tell the vault's operator."
    )


class AnotherKey(RehearsalFailed):
    """The password is right, and the key behind it is not the one that it was compared with."""

    sentence = "The password is right, but the vault has another backup key than this device."
    hint = "Another device replaced the key in the vault. Choose which of the two shall stand."


class RehearsalUnfinished(StrongroomError):
    """The vault took the key; getting it back was cut off, which says nothing about the password.

    `key_id` (16 bytes) names the registered key, `reason` says what came between.
    """

    hint = "Run `strongroom rehearse`; until it succeeds rely on the 64-digit key alone."

    def __init__(self, key_id: bytes, reason: StrongroomError) -> None:
        super().__init__(f"The vault took the key, but getting it back was cut off: {reason}")
        self.key_id = key_id
        self.reason = reason


class PasswordRefused(StrongroomError):
    """The text cannot be a password (RFC 8265 OpaqueString)."""

    sentence = "This cannot be a password: it is empty, too long, or has control characters."
    hint = "Choose another one."


class AccountUnknown(StrongroomError):
    """The access token names no account."""

    sentence = "The access token names no account."
    hint = "Check that the token is a JWT with a `sub` claim."


class AccountMismatch(StrongroomError):
    """The access token is another account's than the one that was named, or than the one before."""

    sentence = "The access token is for another account."
    hint = "Use the access token of the account whose key this is."


# Keys and backup files


class BadDigits(StrongroomError):
    """The text is not a 64-digit key."""

    sentence = "This is not a 64-digit key."
    hint = "It has 64 digits from 0 to 9 and a to f; spaces do not count."


class NotABackup(StrongroomError):
    """The file is not an age file."""

    sentence = "This file is not an encrypted backup."
    hint = "Give a file that `strongroom backup` made."


class WrongKey(StrongroomError):
    """The backup was made with another key."""

    sentence = "This key does not open this backup."
    hint = "It was made with another backup key, or its beginning was changed."


class BackupDamaged(StrongroomError):
    """The backup is cut off or was changed."""

    sentence = "This backup is damaged: it is cut off or was changed."
    hint = "Nothing was restored. Fetch the backup again, or use an older one."


class OutputExists(StrongroomError):
    """There is a file already where the output should go."""

    hint = "Name another file with --output, or remove this one."

    def __init__(self, path: object) -> None:
        super().__init__(f"{path} is there already.")


def _duration(seconds: float) -> str:
    if seconds < 100:  # noqa: PLR2004 -- below that, minutes are too coarse
        return f"{max(1, round(seconds))} seconds"
    return f"{round(seconds / 60)} minutes"


def _short(number: int) -> str:
    """Return a number in digits, as long as that is readable: Python refuses to write some."""
    return str(number) if abs(number) < _READABLE else "a number so far outside"
