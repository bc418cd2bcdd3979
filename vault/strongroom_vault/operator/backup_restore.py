"""What an operator does with ledger and anchor: look, verify, copy, restore, accept a loss.

Looking, verifying and copying may happen while the vault serves. Restoring and accepting need it to
be down: they take its locks.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_protocol import labels
from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.hsm.token.open_token import OpenToken, open_token
from strongroom_vault.ledger import audit
from strongroom_vault.ledger.anchor import check_newest
from strongroom_vault.ledger.head import InvalidHead, open_head, seal_head
from strongroom_vault.ledger.merkle import EMPTY, InvalidRow, Tree, bucket_hash
from strongroom_vault.platform.locks import lock_exclusively
from strongroom_vault.records.codec import decode_record
from strongroom_vault.records.events import Event, EventKind
from strongroom_vault.records.record import Active
from strongroom_vault.records.sealing import RowSealer
from strongroom_vault.store.interface import BUCKET_BITS, Commit, StoreError
from strongroom_vault.store.sqlite import SqliteReader, SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from strongroom_vault.ledger.head import Anchored, Head
    from strongroom_vault.settings.config import Settings

BUCKETS_AT_ONCE: Final = 256
"""So many buckets are read at a time by what reads them all."""


@dataclass(frozen=True, slots=True)
class AnchorStatus:
    """How database and anchor stand to each other.

    Attributes:
        head: the database's.
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
    with _opened(settings) as (_, found):
        return found


def lost_keys(settings: Settings) -> int:
    """Count the keys of the database that the token cannot open. The vault must be down.

    Raises:
        OperatorError: one of them cannot be read.
    """
    with (
        _token(settings) as token,
        closing(SqliteReader(settings.store.path, settings.vault.id)) as store,
    ):
        return _lost_keys(store, token)


def verify_audit(settings: Settings) -> int:
    """Recompute the audit chain up to the head; return the number of events.

    Raises:
        OperatorError: an event was changed, removed or added.
    """
    with _opened(settings) as (store, found):
        bodies = list(store.events())
    if audit.extend(audit.NO_EVENT, bodies) != found.head.audit:
        raise OperatorError("the audit log is not the one that the head states: it was changed")
    if found.problem:
        raise OperatorError(f"the audit log fits its head, but {found.problem}")
    return len(bodies)


def export_audit(settings: Settings) -> Iterator[bytes]:
    """Return every event as a line of JSON."""
    with closing(SqliteReader(settings.store.path, settings.vault.id)) as store:
        yield from store.events()


def backup(settings: Settings, target: Path) -> AnchorStatus:
    """Copy the store, while the vault may serve; return how the copy stands to the anchor now.

    Raises:
        OperatorError: `target` is there, or cannot be written.
    """
    with _opened(settings) as (store, found):
        try:
            store.copy_to(target)
        except (OSError, StoreError) as error:
            raise OperatorError(f"cannot write {target}: {error}") from error
    return found


def restore(settings: Settings, source: Path, *, older: bool) -> tuple[AnchorStatus, int]:
    """Put a copy in the store's place, if every row of it is verified; keep what was there.

    Returns how the copy stands, and how many of its keys the token cannot open any more.

    Args:
        settings: the vault's.
        source: made by `backup`.
        older: take a copy that is older than the anchor; `accept_loss` must follow.

    Raises:
        OperatorError: the copy is not whole, not this vault's, or older and `older` is not given.
    """
    path = settings.store.path
    with _downtime(settings), _token(settings) as token:
        with closing(SqliteReader(source, settings.vault.id)) as copy:
            found = _anchor_status(settings, token, copy)
            verify_rows(copy, found.head)
            lost = _lost_keys(copy, token)
            if found.problem and not older:
                raise OperatorError(f"this copy cannot be served: {found.problem}")
            draft = path.with_name(path.name + ".restored")
            draft.unlink(missing_ok=True)
            copy.copy_to(draft)
        kept = f"{path.name}.before-{time.time_ns()}"
        for end in ("", "-wal", "-shm"):
            name = path.with_name(path.name + end)
            if name.exists():
                name.rename(path.with_name(kept + end))
        draft.rename(path)
    return found, lost


def accept_loss(settings: Settings) -> AnchorStatus:
    """Make the database the newest one although it is not; return how it stood before.

    Every record is left with one attempt at most until its next success.

    Raises:
        OperatorError: there is nothing to accept, or the database is not whole.
    """
    with (
        _token_lock(settings),
        _token(settings) as token,
        closing(SqliteStore(settings.store.path, settings.vault.id)) as store,
    ):
        found = _anchor_status(settings, token, store)
        if not found.problem:
            raise OperatorError("the database is the newest one; there is no loss to accept")
        verify_rows(store, found.head)
        head, event = _after_loss(found)
        key = token.keys.derive_secret(labels.HEAD)
        store.commit(Commit((), {}, [event], seal_head(head, key)))
        token.anchor.advance(found.anchored, head.anchored)
        return found


def verify_rows(store: SqliteReader, head: Head) -> None:
    """Check every row of a store against its head.

    Raises:
        OperatorError: one does not fit.
    """
    snapshot = store.load()
    try:
        root = Tree(BUCKET_BITS, snapshot.buckets).root
    except InvalidRow as error:
        raise OperatorError(f"the database is not whole: it has {error}") from error
    if root != head.root:
        raise OperatorError(
            "the database is not whole: its bucket hashes are not those of its head"
        )
    for number, rows in _buckets(store):
        try:
            is_whole = bucket_hash(rows) == snapshot.buckets.get(number, EMPTY)
        except InvalidRow:
            is_whole = False
        if not is_whole:
            raise OperatorError(f"the database is not whole: bucket {number} was changed")


def _buckets(store: SqliteReader) -> Iterator[tuple[int, Mapping[bytes, bytes]]]:
    """All buckets of a store, some read at a time."""
    for first in range(0, 2**BUCKET_BITS, BUCKETS_AT_ONCE):
        yield from store.read_buckets(range(first, first + BUCKETS_AT_ONCE)).items()


def _lost_keys(store: SqliteReader, token: OpenToken) -> int:
    """Count the keys whose wrap key, or who themselves, were destroyed in the token."""
    sealer = RowSealer(token.keys.derive_secret(labels.RECORD_SEALING))
    wrap_keys, residents = (
        set(token.keys.wrap_keys.numbers()),
        set(token.keys.oprf_keys.list_resident()),
    )
    lost = 0
    for _, rows in _buckets(store):
        for record_id, row in rows.items():
            state = decode_record(sealer.open(row, record_id)).state
            if isinstance(state, Active):
                key = state.oprf_key
                there = (
                    key.public_key in residents if key.is_resident else key.wrap_key in wrap_keys
                )
                lost += not there
    return lost


def _after_loss(found: AnchorStatus) -> tuple[Head, bytes]:
    now = time.time_ns() // 1_000_000
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


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[SqliteReader, AnchorStatus]]:
    """One moment of the store, and how it stands to the anchor; the vault may be serving."""
    path, vault_id = settings.store.path, settings.vault.id
    with _token(settings) as token:
        before = token.anchor.read()
        with closing(SqliteReader(path, vault_id)) as store:
            yield store, _anchor_status(settings, token, store, before)


def _anchor_status(
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


@contextmanager
def _token(settings: Settings) -> Iterator[OpenToken]:
    try:
        with open_token(settings.token.for_workers()) as token:
            yield token
    except (TokenError, StoreError) as error:
        raise OperatorError(str(error)) from error


@contextmanager
def _token_lock(settings: Settings) -> Iterator[None]:
    lock = lock_exclusively(settings.token.pin_file, "the vault is running; stop it first")
    try:
        yield
    finally:
        os.close(lock)


@contextmanager
def _downtime(settings: Settings) -> Iterator[None]:
    """Both locks of a vault: nobody serves from this token or store meanwhile."""
    path = settings.store.path
    with ExitStack() as undo:
        undo.enter_context(_token_lock(settings))
        lock = lock_exclusively(
            path.with_name(path.name + ".lock"), "the vault is running; stop it first", create=True
        )
        undo.callback(os.close, lock)
        yield
