"""Verifies the audit log up to the head, and exports it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from strongroom_vault.errors import OperatorError
from strongroom_vault.ledger import audit
from strongroom_vault.operator.anchor import opened
from strongroom_vault.store.sqlite import SqliteReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.settings.config import Settings


def verify(settings: Settings) -> int:
    """Recompute the audit chain up to the head; return the number of events.

    Raises:
        OperatorError: an event was changed, removed or added.
    """
    with opened(settings) as (store, status):
        bodies = list(store.events())
    if audit.extend(audit.NO_EVENT, bodies) != status.head.audit:
        raise OperatorError("the audit log is not the one that the head states: it was changed")
    if status.problem:
        raise OperatorError(f"the audit log fits its head, but {status.problem}")
    return len(bodies)


def export(settings: Settings) -> Iterator[bytes]:
    """Return every event as a line of JSON."""
    with closing(SqliteReader(settings.store.path, settings.vault.id)) as store:
        yield from store.events()
