"""What the command advises on the library's errors: its own command lines, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom.causes import UnreachableCause, by_way_of
from strongroom.errors import (
    AccessTokenExpired,
    KeyDestroyed,
    NoKey,
    NotABackup,
    OutputExists,
    RehearsalUnfinished,
    VaultUnreachable,
)

if TYPE_CHECKING:
    from strongroom_protocol.errors import StrongroomError

_HINTS: Final[dict[type[StrongroomError], str]] = {
    AccessTokenExpired: (
        "Get a new one (sign in again) and repeat the command. No attempt was used."
    ),
    KeyDestroyed: (
        "The password opens nothing any more. Backups still open on a device that keeps the key,"
        " and with its 64 digits: strongroom restore --digits."
    ),
    NoKey: "If a backup was enabled, check the account and the vault; else enable it first.",
    NotABackup: "Give a file that `strongroom backup` made.",
    OutputExists: "Name another file with --output, or remove this one.",
    RehearsalUnfinished: (
        "Run `strongroom rehearse`; until it succeeds rely on the 64-digit key alone."
    ),
}
_UNTRUSTED: Final = UnreachableCause.CERTIFICATE_UNTRUSTED
_OWN_ROOT: Final = (
    "If the vault's operator gave you a certificate file, name it with --ca-file. Else do not go"
    " on: this may not be the vault."
)


def hint_of(error: StrongroomError) -> str:
    """Return what to do next; the error's own hint where it needs no command line.

    An error of a kind that the command refines (`BackupExists`, say) has its own.
    """
    if type(error) is VaultUnreachable and error.cause is _UNTRUSTED:
        return _OWN_ROOT + by_way_of(error.proxy)
    return _HINTS.get(type(error), error.hint)
