"""The Merkle tree over all buckets: fixed shape, held in memory, so each read is verified fresh.

record digest = SHA-256(0x00 || id || sealed)
bucket        = SHA-256(0x01 || its record digests in id order); an empty bucket is 32 zero bytes
node          = SHA-256(0x02 || left || right)
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from itertools import compress
from typing import TYPE_CHECKING, Final

from strongroom_protocol.labels import RECORD_ID_SIZE
from strongroom_vault.errors import StrongroomVaultError

if TYPE_CHECKING:
    from collections.abc import Mapping

HASH_SIZE: Final = 32
EMPTY: Final = bytes(HASH_SIZE)


class InvalidRow(StrongroomVaultError):
    """No vault writes this: an id or a hash of the wrong size, or a bucket that does not exist.

    Sizes matter, because a digest over two parts does not say where one ends and the other begins.
    """


def record_digest(record_id: bytes, sealed: bytes) -> bytes:
    """Return the digest of one row.

    Raises:
        InvalidRow: the id has the wrong size.
    """
    if len(record_id) != RECORD_ID_SIZE:
        raise InvalidRow(f"an id of {len(record_id)} bytes")
    return sha256(b"\x00" + record_id + sealed).digest()


class Bucket:
    """The sealed records of a bucket by id. A record's digest is computed once.

    Raises:
        InvalidRow: an id has the wrong size.
    """

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self.rows: Final = dict(rows)
        self._digests = {name: record_digest(name, sealed) for name, sealed in rows.items()}

    def put(self, record_id: bytes, sealed: bytes) -> None:
        """Add a record, or replace it."""
        self.rows[record_id] = sealed
        self._digests[record_id] = record_digest(record_id, sealed)

    @property
    def hash(self) -> bytes:
        """The hash of the bucket as it is now, 32 bytes."""
        if not self._digests:
            return EMPTY
        digests = (self._digests[name] for name in sorted(self._digests))
        return sha256(b"\x01" + b"".join(digests)).digest()


def bucket_hash(rows: Mapping[bytes, bytes]) -> bytes:
    """Return the hash of a bucket, given its sealed records by id."""
    return Bucket(rows).hash


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x02" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Update:
    """New hashes for some nodes, by position; the root among them."""

    nodes: Mapping[int, bytes]
    root: bytes


class Tree:
    """All nodes in one array: the root at 1, the children of n at 2n and 2n + 1, leaves last."""

    def __init__(self, bits: int, buckets: Mapping[int, bytes]) -> None:
        """Build the tree over 2**bits buckets from the hashes of those that are not empty.

        Raises:
            InvalidRow: there is no such bucket, or a hash has the wrong size.
        """
        self._bits = bits
        self._first_leaf = 1 << bits
        for number, value in buckets.items():
            if not 0 <= number < self._first_leaf or len(value) != HASH_SIZE:
                raise InvalidRow(f"a hash of {len(value)} bytes for bucket {number}")
        empty = [EMPTY]
        for _ in range(bits):
            empty.append(node_hash(empty[-1], empty[-1]))
        levels = (value * (1 << depth) for depth, value in enumerate(reversed(empty)))
        self._nodes = bytearray(HASH_SIZE) + b"".join(levels)
        # One byte for each bucket, kept so that `occupied` need not compare all hashes: the event
        # loop asks, and would stand still for tens of milliseconds.
        self._is_occupied = bytearray(self._first_leaf)
        self.apply(self.plan(buckets))

    @property
    def root(self) -> bytes:
        """The root hash, 32 bytes."""
        return self._get(1)

    def bucket(self, number: int) -> bytes:
        """Return the hash of a bucket."""
        return self._get(self._first_leaf + number)

    def occupied(self) -> list[int]:
        """Return the numbers of the buckets that are not empty."""
        return [*compress(range(self._first_leaf), self._is_occupied)]

    def plan(self, buckets: Mapping[int, bytes]) -> Update:
        """Return what changes when buckets get these hashes; nothing changes yet."""
        nodes = {self._first_leaf + number: value for number, value in buckets.items()}
        level = set(nodes)
        for _ in range(self._bits):
            level = {position // 2 for position in level}
            for position in level:
                left, right = 2 * position, 2 * position + 1
                nodes[position] = node_hash(
                    nodes.get(left) or self._get(left), nodes.get(right) or self._get(right)
                )
        return Update(nodes, nodes.get(1) or self.root)

    def apply(self, update: Update) -> None:
        """Make a planned update the tree's state, once it is committed."""
        for position, value in update.nodes.items():
            self._put(position, value)
            if position >= self._first_leaf:
                self._is_occupied[position - self._first_leaf] = value != EMPTY

    def _get(self, position: int) -> bytes:
        return bytes(self._nodes[position * HASH_SIZE : (position + 1) * HASH_SIZE])

    def _put(self, position: int, value: bytes) -> None:
        self._nodes[position * HASH_SIZE : (position + 1) * HASH_SIZE] = value
