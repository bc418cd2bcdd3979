"""What is asked about a key beside registration and recovery: status, deletion, upkeep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom_vault.records import policy
from strongroom_vault.service.answers import ActiveKey

if TYPE_CHECKING:
    from strongroom_vault.records.record import Record
    from strongroom_vault.service.answers import DestroyedKey
    from strongroom_vault.service.context import Context


class AccountKeys:
    """Looks at keys and deletes them. Every method raises Refusal only."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def get(self, account: str) -> ActiveKey | DestroyedKey | None:
        """Say what the vault holds for the account; None for nothing, or for a deleted key."""
        context = self._context
        now = context.clock()
        found = await context.ledger.change(
            context.keys.record_id(account),
            lambda record: policy.status(record, now, context.rules),
        )
        if not isinstance(found, policy.KeyStatus):
            return found
        return ActiveKey(
            key_id=found.key.key_id,
            attempt_limit=found.key.attempt_limit,
            attempts_left=found.attempts_left,
            created_at=found.key.created_at,
            wait_until=found.wait_until,
            stretching=found.key.stretching,
        )

    async def show(self, account: str) -> tuple[bytes, Record]:
        """Return the id of an account's record (32 bytes) and the record, for an operator."""
        record_id = self._context.keys.record_id(account)
        return record_id, await self._context.ledger.change(
            record_id, lambda record: policy.Decision(record, record)
        )

    async def delete(self, account: str) -> None:
        """Delete the account's key, as its owner wants."""
        now = self._context.clock()
        await self._context.under_way.run(
            self._context.ledger.change(
                self._context.keys.record_id(account), lambda record: policy.delete(record, now)
            )
        )

    async def sweep_bucket(self, bucket: int) -> int:
        """Destroy the spent keys of one bucket; return how many."""
        now = self._context.clock()
        swept = await self._context.ledger.sweep_bucket(
            bucket, lambda record: policy.sweep(record, now, self._context.rules)
        )
        return len(swept)
