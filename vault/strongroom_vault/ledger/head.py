"""Heads: what the vault states of its whole ledger after each commit, authenticated and chained.

    statement = "strongroom/v1 head" || LP(vault id) || epoch (8) || root (32) || audit digest (32)
                || digest of the previous head (32) || loss_epoch (8) || time in ms (8)
    digest    = SHA-256(statement)
    stored    = statement || HMAC-SHA-256(head key, statement)

LP(x) is the length of x in 2 bytes, then x. The anchor remembers epoch and digest of the newest
head.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from strongroom_protocol import labels
from strongroom_vault.errors import StrongroomVaultError

_LABEL: Final = labels.HEAD.encode()
HASH_SIZE: Final = 32
NUMBER_SIZE: Final = 8
NO_HEAD: Final = bytes(HASH_SIZE)
"""The digest of the head before the first."""


class InvalidHead(StrongroomVaultError):
    """This vault did not make this head."""


@dataclass(frozen=True, slots=True)
class Anchored:
    """What an anchor remembers of a head.

    Attributes:
        epoch: number of the commit.
        digest: 32 bytes, of the head.
    """

    epoch: int
    digest: bytes

    def encode(self) -> bytes:
        """Return 40 bytes."""
        return self.epoch.to_bytes(NUMBER_SIZE, "big") + self.digest

    @classmethod
    def decode(cls, data: bytes) -> Anchored | None:
        """Return the value, None if `data` has another size."""
        if len(data) != NUMBER_SIZE + HASH_SIZE:
            return None
        return cls(int.from_bytes(data[:NUMBER_SIZE], "big"), data[NUMBER_SIZE:])


@dataclass(frozen=True, slots=True)
class Head:
    """One statement about the whole ledger.

    Attributes:
        vault_id: whose ledger.
        epoch: number of the commit; the first is 0.
        root: of the Merkle tree, 32 bytes.
        audit: digest of the audit log up to here, 32 bytes.
        previous: digest of the head before, 32 bytes.
        loss_epoch: commit at which an operator last accepted a lost database; 0 for never.
        time: ms since the Unix epoch, for people; nothing depends on it.
    """

    vault_id: str
    epoch: int
    root: bytes
    audit: bytes
    previous: bytes
    loss_epoch: int
    time: int

    def statement(self) -> bytes:
        """Return the bytes that digest and MAC cover."""
        vault_id = self.vault_id.encode()
        return b"".join(
            (
                _LABEL,
                len(vault_id).to_bytes(2, "big"),
                vault_id,
                self.epoch.to_bytes(NUMBER_SIZE, "big"),
                self.root,
                self.audit,
                self.previous,
                self.loss_epoch.to_bytes(NUMBER_SIZE, "big"),
                self.time.to_bytes(NUMBER_SIZE, "big"),
            )
        )

    def next(
        self,
        *,
        root: bytes,
        audit: bytes,
        time: int,
        epoch: int | None = None,
        loss_epoch: int | None = None,
    ) -> Head:
        """Return the head after this one: the only way in which a head follows another.

        Args:
            root: of the Merkle tree after the commit.
            audit: digest of the audit log after the commit.
            time: ms since the Unix epoch.
            epoch: where a loss was accepted, above all that the lost commits had.
            loss_epoch: where a loss was accepted.
        """
        return Head(
            vault_id=self.vault_id,
            epoch=self.epoch + 1 if epoch is None else epoch,
            root=root,
            audit=audit,
            previous=self.anchored.digest,
            loss_epoch=self.loss_epoch if loss_epoch is None else loss_epoch,
            time=time,
        )

    @property
    def anchored(self) -> Anchored:
        """What an anchor remembers of this head."""
        return Anchored(self.epoch, sha256(self.statement()).digest())


def seal_head(head: Head, key: bytes) -> bytes:
    """Return the head as it is stored. `key` is 32 bytes."""
    statement = head.statement()
    return statement + hmac.digest(key, statement, "sha256")


def open_head(stored: bytes, key: bytes, vault_id: str) -> Head:
    """Return a stored head.

    Raises:
        InvalidHead: it was not made by this vault, or was changed.
    """
    statement, mac = stored[:-HASH_SIZE], stored[-HASH_SIZE:]
    if not hmac.compare_digest(hmac.digest(key, statement, "sha256"), mac):
        raise InvalidHead("the head in the database was not made by this vault")
    prefix = _LABEL + len(vault_id.encode()).to_bytes(2, "big") + vault_id.encode()
    if not statement.startswith(prefix):
        raise InvalidHead("the head in the database is another vault's")
    rest = statement[len(prefix) :]
    sizes = (NUMBER_SIZE, HASH_SIZE, HASH_SIZE, HASH_SIZE, NUMBER_SIZE, NUMBER_SIZE)
    fields = []
    for size in sizes:
        fields.append(rest[:size])
        rest = rest[size:]
    epoch, root, audit, previous, loss_epoch, time = fields
    return Head(
        vault_id=vault_id,
        epoch=int.from_bytes(epoch, "big"),
        root=root,
        audit=audit,
        previous=previous,
        loss_epoch=int.from_bytes(loss_epoch, "big"),
        time=int.from_bytes(time, "big"),
    )
