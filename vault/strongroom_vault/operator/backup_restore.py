"""Copies of the store: made while the vault serves, put back while it is stopped."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from strongroom_vault.errors import OperatorError
from strongroom_vault.operator.access import downtime, token_of
from strongroom_vault.operator.anchor import compare, opened
from strongroom_vault.operator.verification import count_lost_keys, verify_rows
from strongroom_vault.platform.files import reason
from strongroom_vault.store.interface import StoreError
from strongroom_vault.store.sqlite import SqliteReader

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom_vault.operator.anchor import AnchorStatus
    from strongroom_vault.settings.config import Settings


def backup(settings: Settings, target: Path) -> AnchorStatus:
    """Copy the store, while the vault may serve; return how the copy and the anchor compare now.

    Raises:
        OperatorError: `target` exists, or cannot be written.
    """
    with opened(settings) as (store, status):
        try:
            store.copy_to(target)
        except FileExistsError as error:
            raise OperatorError(
                f"{target} exists already", "Name another file; none is overwritten."
            ) from error
        except (OSError, StoreError) as error:
            raise OperatorError(f"cannot write {target}: {reason(error, target)}") from error
    return status


def restore(settings: Settings, source: Path, *, older: bool) -> tuple[AnchorStatus, int]:
    """Verify every row of a copy and put it in the store's place; keep the store that was there.

    Returns how copy and anchor compare, and how many of its keys the token cannot open any more.

    Args:
        settings: the vault's.
        source: made by `backup`.
        older: take a copy that is older than the anchor; `accept_loss` must follow.

    Raises:
        OperatorError: the copy is not whole, not this vault's, or older and `older` is not given.
    """
    path = settings.store.path
    with downtime(settings), token_of(settings) as token:
        with closing(SqliteReader(source, settings.vault.id, "SOURCE")) as copy:
            status = compare(settings, token, copy)
            verify_rows(copy, status.head)
            lost = count_lost_keys(copy, token)
            if status.problem and not older:
                raise OperatorError(f"this copy cannot be served: {status.problem}")
            draft = path.with_name(path.name + ".restored")
            draft.unlink(missing_ok=True)
            copy.copy_to(draft)
        # The store as it was keeps its journal: SQLite would play a journal of another database.
        kept = f"{path.name}.before-{time.time_ns()}"
        for end in ("", "-wal", "-shm"):
            name = path.with_name(path.name + end)
            if name.exists():
                name.rename(path.with_name(kept + end))
        draft.rename(path)
    return status, lost
