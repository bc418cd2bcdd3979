"""What the ledger asks of a store: read one bucket, write one commit. Blocking calls.

A store keeps rows and knows nothing of what they mean. One thread uses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from strongroom_vault.errors import StrongroomVaultError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

BUCKET_BITS: Final = 16
"""Buckets are numbered by this many first bits of the record id; fixed when a store is made."""


class StoreError(StrongroomVaultError):
    """The store did not do what it was asked; nothing of the commit can be read."""


class StoreChanged(StoreError):
    """The store holds what no vault writes: somebody else has changed it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sealed record.

    Attributes:
        id: 32 bytes, the record id.
        sealed: the record, a multiple of 512 bytes.
    """

    id: bytes
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that one commit writes.

    Attributes:
        rows: new records.
        buckets: new bucket hashes by bucket number.
        events: bodies of audit events, in order.
        head: as it is stored.
    """

    rows: Sequence[Row]
    buckets: Mapping[int, bytes]
    events: Sequence[bytes]
    head: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is read once, at start: the head, and the hashes of all buckets that are not empty."""

    head: bytes
    buckets: Mapping[int, bytes]


def bucket_of(record_id: bytes) -> int:
    """Return the number of the bucket that holds `record_id`."""
    return int.from_bytes(record_id[: BUCKET_BITS // 8], "big")


class Store(Protocol):
    """The whole interface. Every method raises StoreError; StoreChanged where it can tell."""

    def load(self) -> Snapshot:
        """Return the head and the bucket hashes."""

    def read_buckets(self, buckets: Collection[int]) -> Mapping[int, Mapping[bytes, bytes]]:
        """Return the sealed records of some buckets: number -> record id -> record."""

    def events(self) -> Iterator[bytes]:
        """Return the bodies of all audit events, in order."""

    def commit(self, commit: Commit) -> None:
        """Write all or nothing, durably: when this returns it survives a power cut."""

    def check(self, *, writes: bool = False) -> None:
        """Raise StoreError unless the store can be read; if `writes`, written too."""

    def close(self) -> None:
        """Let go of the store, so that another process may open it."""
