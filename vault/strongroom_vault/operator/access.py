"""How an operator's command gets at a vault's token and store, and keeps a vault from both."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.hsm.token.open_token import OpenToken, open_token
from strongroom_vault.platform.locks import lock_exclusively
from strongroom_vault.store.interface import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.settings.config import Settings


@contextmanager
def token_of(settings: Settings) -> Iterator[OpenToken]:
    """Open the token for the time of the block; what it refuses is an OperatorError."""
    try:
        with open_token(settings.token.for_workers()) as token:
            yield token
    except (TokenError, StoreError) as error:
        raise OperatorError(str(error)) from error


@contextmanager
def token_lock(settings: Settings) -> Iterator[None]:
    """Keep the vault from its token, or refuse because it is running."""
    lock = lock_exclusively(settings.token.pin_file, "the vault is running; stop it first")
    try:
        yield
    finally:
        os.close(lock)


@contextmanager
def downtime(settings: Settings) -> Iterator[None]:
    """Both locks of a vault: nobody serves from this token or store meanwhile."""
    path = settings.store.path
    with ExitStack() as undo:
        undo.enter_context(token_lock(settings))
        lock = lock_exclusively(
            path.with_name(path.name + ".lock"), "the vault is running; stop it first", create=True
        )
        undo.callback(os.close, lock)
        yield
