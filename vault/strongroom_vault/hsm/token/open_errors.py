"""Why a token cannot be opened, and the setting, variable or command that helps."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from pkcs11 import TokenFlag
from pkcs11.exceptions import (
    MultipleTokensReturned,
    NoSuchToken,
    PinIncorrect,
    PinLocked,
    PKCS11Error,
    UserPinNotInitialized,
)

from strongroom_vault.errors import OperatorError, WrongPin
from strongroom_vault.settings.refusals import named

if TYPE_CHECKING:
    from pkcs11 import Slot

    from strongroom_vault.settings.token_settings import TokenSettings

SOFTHSM2_CONF: Final = "SOFTHSM2_CONF"
_MODULES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
_INITIALISE: Final = (
    "Make one: softhsm-setup/init-token.sh FOLDER LABEL for SoftHSM, the vendor's tool or"
    " pkcs11-tool --init-token for an HSM."
)


class Library(Protocol):
    """A module that python-pkcs11 has loaded."""

    def get_slots(self, *, token_present: bool) -> list[Slot]:
        """Return its slots."""


def refuse_pipe(settings: TokenSettings) -> None:
    """Refuse a module that is no file: loading a pipe would wait for ever.

    Raises:
        OperatorError: it is a pipe, a socket or a device.
    """
    path = settings.module
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return  # the loader says what is wrong, or finds it in another folder
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OperatorError(
            f"{named('token', 'module')}: {path} is a pipe, socket or device, not a module"
        )


def no_module(settings: TokenSettings, error: Exception) -> OperatorError:
    """Return why the module cannot be loaded."""
    path = settings.module
    setting = named("token", "module")
    if "/" in path and _is_missing(Path(path)):
        installed = " and ".join(module for module in _MODULES if Path(module).exists())
        here = (
            f"SoftHSM's is {installed} here."
            if installed
            else "An HSM's vendor says where its module is."
        )
        return OperatorError(f"{setting}: there is no PKCS#11 module at {path}", here)
    reason = str(error).rpartition(f"{path}: ")[2] or type(error).__name__
    hint = _softhsm(path) if isinstance(error, PKCS11Error) else ""
    return OperatorError(
        f"{setting}: cannot load the module {path}: {reason}",
        hint or "It must name the PKCS#11 module of your HSM, a library that this user can read.",
    )


def refused(settings: TokenSettings, library: Library, error: PKCS11Error) -> OperatorError:
    """Return why the token cannot be opened."""
    name = type(error).__name__
    label = f"the token {settings.label!r}"
    match error:
        case PinIncorrect() | PinLocked():
            setting = named("token", "pin_file")
            problem = f"{label} does not accept the PIN in {settings.pin_file} ({name})"
            return WrongPin(f"{setting}: {problem}", _pin(error))
        case UserPinNotInitialized():
            hint = "A security officer sets it: pkcs11-tool --login --login-type so --init-pin."
            return OperatorError(f"{label} has no user PIN yet ({name})", hint)
        case NoSuchToken():
            hint = f"{_softhsm(settings.module)} {_tokens(library)}".strip()
            setting = named("token", "label")
            return OperatorError(f"{setting}: there is no token {settings.label!r} ({name})", hint)
        case MultipleTokensReturned():
            setting = named("token", "label")
            problem = f"more than one token is called {settings.label!r}"
            hint = "It must name one token: give the other another label."
            return OperatorError(f"{setting}: {problem}", hint)
        case _:
            hint = "strongroom-vault doctor tries what the vault needs of it."
            return OperatorError(f"cannot open {label} ({name})", hint)


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


def _pin(error: PKCS11Error) -> str:
    if isinstance(error, PinLocked):
        return "A security officer resets it: pkcs11-tool --login --login-type so --init-pin."
    return "Put the token's user PIN into that file. Do not try PINs: a token locks after a few."


def _tokens(library: Library) -> str:
    """List the tokens of the module, for an operator who named one that it does not have."""
    labels = []
    try:
        for slot in library.get_slots(token_present=True):
            token = slot.get_token()
            if TokenFlag.TOKEN_INITIALIZED in token.flags:
                labels.append(repr(token.label.strip()))
    except PKCS11Error as error:
        return f"The module lists no tokens ({type(error).__name__})."
    if not labels:
        return f"The module has no token that is initialised. {_INITIALISE}"
    return f"The module has {' and '.join(labels)}: {named('token', 'label')} names one."


def _softhsm(module: str) -> str:
    """Say where SoftHSM looks for its tokens, or why it cannot."""
    if "softhsm" not in module:
        return ""
    conf = os.environ.get(SOFTHSM2_CONF)
    if conf is None:
        return (
            f"{SOFTHSM2_CONF} is not set, so SoftHSM uses the system's tokens: set it to the"
            " softhsm2.conf in your token's folder."
        )
    try:
        text = Path(conf).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"{SOFTHSM2_CONF} is {conf}, which cannot be read: {error.strerror}."
    setting = re.search(r"^\s*directories\.tokendir\s*=\s*(.*?)\s*$", text, re.MULTILINE)
    folder = Path(setting[1]) if setting else None
    if folder is not None and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"{SOFTHSM2_CONF} is {conf}; this user cannot use its tokens' folder {folder}."
    return f"SoftHSM looks where {SOFTHSM2_CONF} says: {conf}."
