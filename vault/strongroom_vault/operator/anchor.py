"""Compares the database with the anchor, and lets an operator accept that commits are lost."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom_protocol import labels
from strongroom_vault.errors import OperatorError
from strongroom_vault.ledger import audit
from strongroom_vault.ledger.anchor import check_newest
from strongroom_vault.ledger.head import InvalidHead, open_head, seal_head
from strongroom_vault.operator.access import token_lock, token_of
from strongroom_vault.operator.verification import count_lost_keys, verify_rows
from strongroom_vault.platform.clock import now_ms
from strongroom_vault.records.events import Event, EventKind
from strongroom_vault.store.interface import Commit
from strongroom_vault.store.sqlite import SqliteReader, SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.hsm.token.open_token import OpenToken
    from strongroom_vault.ledger.head import Anchored, Head
    from strongroom_vault.settings.config import Settings


@dataclass(frozen=True, slots=True)
class AnchorStatus:
    """How database and anchor compare.

    Attributes:
        head: of the database.
        anchored: what the token's anchor remembers.
        problem: why the vault would not serve, empty if it would.
    """

    head: Head
    anchored: Anchored | None
    problem: str

    @property
    def missing(self) -> int:
        """How many epochs the database is behind the anchor; negative if it is ahead."""
        return (self.anchored.epoch if self.anchored else 0) - self.head.epoch


def anchor_status(settings: Settings) -> AnchorStatus:
    """Compare the database with the anchor.

    Raises:
        OperatorError: one of them cannot be read, or the database is not this vault's.
    """
    with opened(settings) as (_, status):
        return status


def lost_keys(settings: Settings) -> int:
    """Count the keys of the database that the token cannot open. The vault must be down.

    Raises:
        OperatorError: one of them cannot be read.
    """
    with (
        token_of(settings) as token,
        closing(SqliteReader(settings.store.path, settings.vault.id)) as store,
    ):
        return count_lost_keys(store, token)


def accept_loss(settings: Settings) -> AnchorStatus:
    """Make an older database the newest one; return how it compared before.

    Every record is left with one attempt at most until its next success.

    Raises:
        OperatorError: there is nothing to accept, or the database is not whole.
    """
    with (
        token_lock(settings),
        token_of(settings) as token,
        closing(SqliteStore(settings.store.path, settings.vault.id)) as store,
    ):
        status = compare(settings, token, store)
        if not status.problem:
            raise OperatorError("the database is the newest one; there is no loss to accept")
        verify_rows(store, status.head)  # what is accepted is whole, though old
        head, event = _after_loss(status)
        key = token.keys.derive_secret(labels.HEAD)
        # As in the ledger, the commit is durable before the anchor moves. Cut off between the two,
        # the vault still refuses to serve, and the command can be run again.
        store.commit(Commit((), {}, [event], seal_head(head, key)))
        token.anchor.advance(status.anchored, head.anchored)
        return status


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[SqliteReader, AnchorStatus]]:
    """One moment of the store, and how it compares with the anchor; the vault may be serving."""
    path, vault_id = settings.store.path, settings.vault.id
    with token_of(settings) as token:
        before = token.anchor.read()
        with closing(SqliteReader(path, vault_id)) as store:
            yield store, compare(settings, token, store, before)


def compare(
    settings: Settings,
    token: OpenToken,
    store: SqliteReader,
    before: Anchored | None = None,
) -> AnchorStatus:
    """Compare one moment of the store with the anchor.

    A vault that serves moves its anchor on meanwhile, so the store lies between two looks at it;
    `before` is the one from before the store was opened, None where no vault can be serving.
    """
    try:
        head = open_head(
            store.load().head, token.keys.derive_secret(labels.HEAD), settings.vault.id
        )
    except InvalidHead as error:
        raise OperatorError(str(error)) from error
    anchored = token.anchor.read()
    if before and anchored and before.epoch < head.epoch < anchored.epoch:
        return AnchorStatus(head, before, "")
    if before and head.epoch <= before.epoch:
        anchored = before
    try:
        check_newest(head, anchored)
    except InvalidHead as error:
        return AnchorStatus(head, anchored, str(error))
    return AnchorStatus(head, anchored, "")


def _after_loss(found: AnchorStatus) -> tuple[Head, bytes]:
    now = now_ms()
    anchored = found.anchored.epoch if found.anchored else 0
    epoch = max(found.head.epoch, anchored) + 1
    detail = (("database_epoch", found.head.epoch), ("anchor_epoch", anchored), ("epoch", epoch))
    event = Event(EventKind.LOSS_ACCEPTED, now, detail=detail).body()
    head = found.head.next(
        root=found.head.root,
        audit=audit.extend(found.head.audit, [event]),
        time=now,
        epoch=epoch,
        loss_epoch=epoch,
    )
    return head, event
