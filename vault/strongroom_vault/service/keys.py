"""What an account or an operator does with a key besides recovering it: status, deletion, sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom_vault.records import policy
from strongroom_vault.service.answers import ActiveKey

if TYPE_CHECKING:
    from strongroom_vault.records.record import Record
    from strongroom_vault.service.answers import DestroyedKey
    from strongroom_vault.service.context import Context


class AccountKeys:
    """Shows, deletes and sweeps keys. Every method raises only Refusal."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def get(self, account: str) -> ActiveKey | DestroyedKey | None:
        """Return what the vault holds for the account; None for nothing, or for a deleted key."""
        context = self._context
        now = context.clock()
        # A change, not a read: it waits until what it shows is anchored, and destroys a spent key,
        # which must not be shown as one that can be recovered.
        status = await context.ledger.change(
            context.keys.record_id(account),
            lambda record: policy.status(record, now, context.rules),
        )
        if not isinstance(status, policy.KeyStatus):
            return status
        return ActiveKey(
            key_id=status.key.key_id,
            attempt_limit=status.key.attempt_limit,
            attempts_left=status.attempts_left,
            created_at=status.key.created_at,
            wait_until=status.wait_until,
            stretching=status.key.stretching,
        )

    async def show(self, account: str) -> tuple[bytes, Record]:
        """Return the id of an account's record (32 bytes) and the record, for an operator."""
        record_id = self._context.keys.record_id(account)
        return record_id, await self._context.ledger.change(
            record_id, lambda record: policy.Decision(record, record)
        )

    async def delete(self, account: str) -> None:
        """Delete the account's key, for its owner or an operator."""
        now = self._context.clock()
        # Counted as under way: an operator's deletion has no guard that counts it.
        await self._context.under_way.run(
            self._context.ledger.change(
                self._context.keys.record_id(account), lambda record: policy.delete(record, now)
            )
        )

    async def sweep_bucket(self, bucket: int) -> int:
        """Destroy the spent keys of one bucket; return how many."""
        ledger, now = self._context.ledger, self._context.clock()

        def decide(record: Record) -> policy.Decision[bool]:
            return policy.sweep(record, now, self._context.rules)

        records = await ledger.read_bucket(bucket)
        spent = [record_id for record_id, record in records.items() if decide(record).outcome]
        # Decided again, on the newest record. Since the read, the owner may have registered a new
        # key or recovered the old one at last: neither may be destroyed.
        return sum([await ledger.change(record_id, decide) for record_id in spent])
