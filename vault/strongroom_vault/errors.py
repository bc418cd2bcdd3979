"""The errors of the vault: refusals, one class for each reason of docs/protocol.md; and operators'.

The one table of `api/status.py` turns a refusal into a gRPC status. Any other exception that leaves
a handler of BackupKeyVault is a bug, and is answered INTERNAL without detail.

"Token" alone always means the PKCS#11 token; what an application presents is an access token.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Cause(Enum):
    """Why a key was destroyed."""

    ATTEMPT_LIMIT = "attempt_limit"


class StrongroomVaultError(Exception):
    """Base of all errors of this package."""


class OperatorError(StrongroomVaultError):
    """The vault or a command cannot go on with these settings or this state; the message says why.

    Attributes:
        hint: what the operator can do about it, in sentences; empty if the message says it all.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class WrongPin(OperatorError):
    """The token does not accept the PIN. Retries would lock it: nothing may restart the vault."""

    exit_code = 3


class NotServing(OperatorError):
    """The vault runs, but does not serve."""

    exit_code = 4


class Refusal(StrongroomVaultError):
    """A request is refused. `reason` is that of ErrorInfo, `metadata` its public details."""

    reason: ClassVar[str]

    @property
    def metadata(self) -> dict[str, str]:
        """The details of ErrorInfo: text without secrets."""
        return {}


class AccessTokenMissing(Refusal):
    """The call carries no access token."""

    reason = "ACCESS_TOKEN_MISSING"


class Check(Enum):
    """What is checked about an access token (docs/protocol.md 2.5)."""

    FORM = "form"
    KEY = "key"
    SIGNATURE = "signature"
    AUDIENCE = "aud"
    ISSUER = "iss"
    ACCOUNT = "sub"
    TIME = "time"
    SCOPE = "scope"


class AccessTokenInvalid(Refusal):
    """No trusted issuer made the access token for this vault. `check` is the one that failed."""

    reason = "ACCESS_TOKEN_INVALID"

    def __init__(self, problem: str, check: Check) -> None:
        super().__init__(problem)
        self.check = check

    @property
    def metadata(self) -> dict[str, str]:
        """The check that failed."""
        return {"check": self.check.value}


class AccessTokenExpired(Refusal):
    """The access token was valid, and has expired."""

    reason = "ACCESS_TOKEN_EXPIRED"


class ScopeMissing(Refusal):
    """The access token does not allow this call."""

    reason = "SCOPE_MISSING"

    def __init__(self, scope: str) -> None:
        super().__init__(f"the access token lacks the scope {scope!r}")
        self.scope = scope

    @property
    def metadata(self) -> dict[str, str]:
        """The scope that is missing."""
        return {"scope": self.scope}


class Malformed(Refusal):
    """A field of the request is not as the protocol says. Never charged."""

    reason = "MALFORMED"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field

    @property
    def metadata(self) -> dict[str, str]:
        """The name of the field, as in the proto file."""
        return {"field": self.field}


class NoKey(Refusal):
    """The account has no key here."""

    reason = "NO_KEY"


class WrongPassword(Refusal):
    """The proof of the password is wrong. The attempt stays charged."""

    reason = "WRONG_PASSWORD"

    def __init__(self, attempts_left: int) -> None:
        super().__init__(f"wrong password, {attempts_left} attempts left")
        self.attempts_left = attempts_left

    @property
    def metadata(self) -> dict[str, str]:
        """How many attempts are left."""
        return {"attempts_left": str(self.attempts_left)}


class KeyDestroyed(Refusal):
    """The key was destroyed. Nothing brings it back."""

    reason = "KEY_DESTROYED"

    def __init__(self, destroyed_at: int, cause: Cause) -> None:
        super().__init__(f"the key was destroyed ({cause.value})")
        self.destroyed_at = destroyed_at
        self.cause = cause

    @property
    def metadata(self) -> dict[str, str]:
        """When, in milliseconds since the Unix epoch, and why."""
        return {"destroyed_at": str(self.destroyed_at), "cause": self.cause.value}


class KeyReplaced(Refusal):
    """The key of this request is no longer the account's."""

    reason = "KEY_REPLACED"


class StateExpired(Refusal):
    """The client sent its state back too late."""

    reason = "STATE_EXPIRED"


class RetryLater(Refusal):
    """A temporary refusal. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Wait(RetryLater):
    """The next attempt has to wait. Not charged."""

    reason = "WAIT"


class Overloaded(RetryLater):
    """The vault takes no more requests at the moment. Not charged."""

    reason = "OVERLOADED"


class HsmUnavailable(RetryLater):
    """The token did not answer. An attempt that it did not answer is given back."""

    reason = "HSM_UNAVAILABLE"


class KeyNotFound(HsmUnavailable):
    """The token does not have the key of a record; it may have been destroyed meanwhile."""


class StoreUnavailable(RetryLater):
    """The store did not commit."""

    reason = "STORE_UNAVAILABLE"


class RollbackDetected(Refusal):
    """The database is not as this vault wrote it last. The vault serves nothing from it."""

    reason = "ROLLBACK_DETECTED"
