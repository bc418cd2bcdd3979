"""How an operator's command opens a vault's token, and keeps a vault away from token and store."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.hsm.token.open_token import OpenToken, open_token
from strongroom_vault.platform.locks import lock_exclusively
from strongroom_vault.settings.named_files import PIN_FILE
from strongroom_vault.store.interface import StoreError
from strongroom_vault.store.sqlite_file import STORE_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.settings.config import Settings

RUNNING: Final = "the vault is running; stop it first"


@contextmanager
def token_of(settings: Settings) -> Iterator[OpenToken]:
    """Open the token for the time of the block; what it refuses is an OperatorError."""
    try:
        with open_token(settings.token.for_workers()) as token:
            yield token
    except (TokenError, StoreError) as error:
        raise OperatorError(str(error)) from error


@contextmanager
def token_lock(settings: Settings, otherwise: str = RUNNING) -> Iterator[None]:
    """Keep a vault away from its token for the time of the block.

    Raises:
        OperatorError: a vault, or another command, uses the token; the message is `otherwise`.
            Or the PIN file, which is what is locked, cannot be read.
    """
    PIN_FILE.require(settings.token.pin_file)
    lock = lock_exclusively(settings.token.pin_file, otherwise)
    try:
        yield
    finally:
        os.close(lock)


@contextmanager
def downtime(settings: Settings) -> Iterator[None]:
    """Hold both locks of a vault, in its own order: nobody serves from its token or its store.

    Raises:
        OperatorError: a vault is running.
    """
    path = settings.store.path
    with ExitStack() as undo:
        undo.enter_context(token_lock(settings))
        lock = lock_exclusively(
            path.with_name(path.name + ".lock"), RUNNING, create=True, source=STORE_PATH
        )
        undo.callback(os.close, lock)
        yield
