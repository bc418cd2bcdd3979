"""A commit in the making: decides changes in order, and seals what they leave. Pure: no I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from strongroom_vault.records import upkeep
from strongroom_vault.records.codec import decode_record, encode_record
from strongroom_vault.records.events import Event
from strongroom_vault.records.record import Record
from strongroom_vault.store.interface import Row, bucket_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from strongroom_vault.ledger.merkle import Bucket
    from strongroom_vault.records.events import EventKind
    from strongroom_vault.records.policy import Decision
    from strongroom_vault.records.record import StoredOprfKey
    from strongroom_vault.records.sealing import RowSealer


@dataclass(frozen=True, slots=True)
class Change:
    """What to do to one record.

    Attributes:
        record_id: 32 bytes; None for an event that belongs to no record.
        decide: pure; gets the newest record.
        detail: numbers for the event of a change without a record.
    """

    record_id: bytes | None
    decide: Callable[[Record], Decision[Any]]
    detail: Mapping[str, int] = field(default_factory=dict)


class Draft:
    """What was read and verified, and what becomes of it."""

    def __init__(
        self, buckets: dict[int, Bucket], sealer: RowSealer, loss_epoch: int, now: int
    ) -> None:
        """Begin a commit.

        Args:
            buckets: verified; those of all records that will be changed.
            sealer: opens and seals rows.
            loss_epoch: the head's; see `upkeep.after_loss`.
            now: ms since the Unix epoch, for the events.
        """
        self.buckets = buckets
        self.now = now
        self.events: list[bytes] = []
        self.event_counts: Counter[EventKind] = Counter()
        self.dropped_keys: list[StoredOprfKey] = []
        self._sealer = sealer
        self._loss_epoch = loss_epoch
        self._before: dict[bytes, Record] = {}
        self._after: dict[bytes, Record] = {}

    def decide(self, change: Change) -> object:
        """Decide one change on what the changes before it left; return the outcome.

        Raises:
            InvalidSeal: this vault did not write the record's row.
        """
        record_id = change.record_id
        if record_id is None:
            # An operator's act: it belongs to no record, so an empty one is decided and dropped.
            decision = change.decide(Record())
            if decision.event is not None:
                self._log(Event(decision.event, self.now, detail=tuple(change.detail.items())))
            return decision.outcome
        before = self._newest(record_id)
        decision = change.decide(before)
        self._after[record_id] = decision.record
        if (key := upkeep.dropped_key(before, decision.record)) is not None:
            self.dropped_keys.append(key)
        if decision.event is not None:
            self._log(Event(decision.event, self.now, record_id))
        return decision.outcome

    def rows(self) -> list[Row]:
        """Return the records that have changed, sealed."""
        return [
            Row(record_id, self._sealer.seal(encode_record(record), record_id))
            for record_id, record in self._after.items()
            if record != self._before[record_id]
        ]

    def put(self, rows: list[Row]) -> dict[int, bytes]:
        """Put rows into their buckets; return the new hashes of these, 32 bytes each."""
        for row in rows:
            self.buckets[bucket_of(row.id)].put(row.id, row.sealed)
        return {number: self.buckets[number].hash for number in {bucket_of(row.id) for row in rows}}

    def _newest(self, record_id: bytes) -> Record:
        """Return a record as the changes so far left it."""
        if record_id not in self._after:
            row = self.buckets[bucket_of(record_id)].rows.get(record_id)
            stored = None if row is None else decode_record(self._sealer.open(row, record_id))
            # Also to a record that is not there: what was charged in lost commits is not known,
            # and an account that looks new may have been in them.
            record = upkeep.after_loss(stored or Record(), self._loss_epoch)
            # A record that was not stored counts as unchanged, or reading it would write a row.
            self._before[record_id] = stored or record
            self._after[record_id] = record
        return self._after[record_id]

    def _log(self, event: Event) -> None:
        self.events.append(event.body())
        self.event_counts[event.kind] += 1
