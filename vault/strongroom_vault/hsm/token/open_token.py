"""Opens a token: its session, the vault's keys, and its anchor, together."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pkcs11
from pkcs11.exceptions import PKCS11Error

from strongroom_vault.hsm.token import open_errors, quirks, vault_keys
from strongroom_vault.hsm.token.anchor_slots import AnchorSlots
from strongroom_vault.hsm.token.errors import translated
from strongroom_vault.hsm.token.token_keys import TokenKeys
from strongroom_vault.settings.named_files import PIN_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.settings.token_settings import TokenSettings


class OpenToken:
    """A token that is open and logged in. Not for two threads.

    Attributes:
        session: for what neither keys nor anchor do.
        module: the path that it was opened from.
        anchor: remembers the newest head.
    """

    def __init__(
        self, session: pkcs11.Session, module: str, labels: vault_keys.Labels = vault_keys.VAULT
    ) -> None:
        self.session = session
        self.anchor = AnchorSlots(session, labels.anchor)
        self.module = module
        self.labels = labels

    @cached_property
    def keys(self) -> TokenKeys:
        """The vault's keys, found at the first use: init opens a token that has none yet.

        Raises:
            OperatorError: a key is missing or there twice.
        """
        return TokenKeys(self.session, self.module, self.labels)


@contextmanager
def open_token(
    settings: TokenSettings, labels: vault_keys.Labels = vault_keys.VAULT
) -> Iterator[OpenToken]:
    """Open the token for the time of the block; raises as `open_session`."""
    with open_session(settings) as session:
        yield OpenToken(session, settings.module, labels)


@contextmanager
def open_session(settings: TokenSettings) -> Iterator[pkcs11.Session]:
    """Open the token read-write and log in.

    Raises:
        OperatorError: no such module or token, or a PIN file that others can read.
        WrongPin: the token does not accept the PIN.
        TokenError: the token fails while it is open.
    """
    pin = read_pin(Path(settings.pin_file))
    # Before the module is loaded: it reads its configuration then.
    os.environ.update(settings.environment)
    open_errors.refuse_pipe(settings)
    try:
        library = pkcs11.lib(settings.module)
    except (PKCS11Error, OSError, RuntimeError) as error:
        raise open_errors.no_module(settings, error) from error
    try:
        token = library.get_token(token_label=settings.label)
        session = token.open(rw=True, user_pin=pin, attribute_mapper=quirks.attribute_mapper())
    except PKCS11Error as error:
        raise open_errors.refused(settings, library, error) from error
    with translated(), session:
        yield session


def read_pin(path: Path) -> str:
    """Return the PIN in a file that its owner alone can read.

    What cannot be a PIN is refused here: each wrong one that a token gets brings it closer to its
    lock.

    Raises:
        OperatorError: no such file, others can read it, or it is not one line of text.
    """
    try:
        pin = PIN_FILE.read_secret(path).decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as error:
        raise PIN_FILE.refused(f"{path} is not UTF-8") from error
    if not pin:
        raise PIN_FILE.refused(f"{path} is empty")
    if "\n" in pin or "\0" in pin:
        problem = "more than one line" if "\n" in pin else "bytes that are not text"
        raise PIN_FILE.refused(f"{path} has {problem}, so it is not a PIN")
    return pin
