"""What the vault answers instead of an answer: one error for each reason of docs/protocol.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from datetime import datetime


_BY_CHECK: Final = {
    "form": (
        "it cannot be read as one",
        "Sign in again. If that does not help, the issuer makes other tokens than the vault takes.",
    ),
    "key": (
        "no issuer that the vault trusts signed it",
        "Use a token of the issuer whose keys this vault has; the vault's operator knows which.",
    ),
    "signature": (
        "its signature is wrong",
        "Give the token unchanged, as its issuer wrote it.",
    ),
    "aud": (
        "it is for another vault",
        "Use a token whose `aud` is the id of this vault, or check the vault's address.",
    ),
    "iss": (
        "it is from another issuer",
        "Use a token of the issuer that this vault trusts; the vault's operator knows which.",
    ),
    "sub": (
        "it names no account",
        "Use a token whose `sub` is the account, as text of 1 to 255 bytes.",
    ),
    "time": (
        "it is not valid yet, or valid for too long",
        "Use a token whose `exp` is at most 15 minutes ahead, and check the issuer's clock.",
    ),
    "scope": (
        "its scope is not text",
        "Use a token whose `scope` is one string, the words separated by spaces.",
    ),
}
"""What each check that an access token fails says, and what to do about it."""


class AccessTokenMissing(StrongroomError):
    """The vault got no access token."""

    message = "The vault wants an access token, and got none."
    hint = "Sign in again with the application that issues your access tokens."


class AccessTokenInvalid(StrongroomError):
    """The vault does not accept the access token.

    `check` is what the vault found wrong: form, key, signature, aud, iss, sub, time or scope
    (docs/protocol.md 8.1); empty where it does not say.
    """

    message = "The vault does not accept the access token."
    hint = "Sign in again, and check that the token is for this vault."

    def __init__(self, check: str = "", detail: str = "") -> None:
        self.check = check if check in _BY_CHECK else ""
        if self.check:
            clause, self.hint = _BY_CHECK[self.check]
            detail = f"The vault does not accept the access token: {clause}."
        super().__init__(detail)


class NotAnAccessToken(AccessTokenInvalid):
    """What was given as the access token cannot be one, so it is not sent. `reason` says why."""

    hint = "Give the token alone, as its issuer wrote it: three parts of plain ASCII with dots."

    def __init__(self, reason: str, message: str = "This is not an access token") -> None:
        super().__init__(detail=f"{message}: {reason}.")
        self.reason = reason


class AccessTokenExpired(StrongroomError):
    """The access token has expired."""

    message = "The access token has expired."
    hint = "Get a new one (sign in again), and repeat the call. No attempt was used."


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

    message = "There is no backup key for this account in the vault."
    hint = "If a key was protected, check the account and the vault; else call Vault.protect first."


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
    """The vault destroyed the key: after too many wrong passwords.

    `destroyed_at` is in UTC, None where the vault does not say; `cause` is as in DestroyedKey.
    """

    hint = (
        "The password opens nothing any more. Backups still open on a device that keeps the key,"
        " and with its 64 digits (BackupKey.from_digits)."
    )

    def __init__(self, destroyed_at: datetime | None, cause: str) -> None:
        when = f" on {destroyed_at:%Y-%m-%d at %H:%M} UTC" if destroyed_at else ""
        is_known = cause == "attempt_limit"
        why = "after too many wrong passwords" if is_known else f"for this cause: {cause}"
        super().__init__(f"The vault destroyed this key for good{when}, {why}.")
        self.destroyed_at = destroyed_at
        self.cause = cause


class KeyReplaced(StrongroomError):
    """Another device registered a new key meanwhile."""

    message = "The key in the vault was replaced while this was under way."
    hint = "Start again. If it was not you, someone else has access to this account."


class StateExpired(StrongroomError):
    """The second step came too late."""

    message = "This took too long, and the vault has closed it."
    hint = "Start again."


class MustWait(StrongroomError):
    """The vault makes the next attempt wait. `retry_after` is in seconds. No attempt was used."""

    hint = "Wait, then try again. Trying earlier uses no attempt."

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"The next attempt must wait {_duration(retry_after)}.")
        self.retry_after = retry_after


class VaultBusy(StrongroomError):
    """The vault has too much to do."""

    message = "The vault is too busy at the moment."
    hint = "Try again in a minute."


class HsmUnavailable(StrongroomError):
    """The vault's token does not answer."""

    message = "The vault cannot use its keys at the moment."
    hint = "Try again in a minute."


class StoreUnavailable(StrongroomError):
    """The vault's store does not answer."""

    message = "The vault cannot reach its records at the moment."
    hint = "Try again in a minute."


class RollbackDetected(StrongroomError):
    """The vault's database is not the newest one, so it serves nothing."""

    message = "The vault has stopped: its database is not the newest one."
    hint = "Only the vault's operator can mend this. Your key is not lost by it."


class VaultInternalError(StrongroomError):
    """The vault failed in a way that it does not explain."""

    message = "The vault failed."
    hint = "Tell the vault's operator when this happened."


def _duration(seconds: float) -> str:
    if seconds < 100:  # noqa: PLR2004 -- below that, minutes are too coarse
        whole = max(1, round(seconds))
        return "1 second" if whole == 1 else f"{whole} seconds"
    return f"{round(seconds / 60)} minutes"
