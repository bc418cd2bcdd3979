"""Registration: a fresh OPRF key, then the record that takes the place of the account's old one."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from strongroom_protocol import labels
from strongroom_protocol.answers import RegistrationStarted
from strongroom_protocol.opaque.messages import RegistrationRecord, RegistrationRequest
from strongroom_vault.errors import Malformed, StateExpired
from strongroom_vault.hsm.jobs import CreateRegistrationResponse
from strongroom_vault.records import policy, registration
from strongroom_vault.records.codec import (
    RegistrationState,
    decode_registration_state,
    encode_registration_state,
)
from strongroom_vault.records.record import Active
from strongroom_vault.service.answers import Registered
from strongroom_vault.service.context import malformed

if TYPE_CHECKING:
    from strongroom_vault.records.record import Record
    from strongroom_vault.service.context import Context
    from strongroom_vault.service.resident_keys import ResidentKeys


class Registration:
    """The two calls of a registration. Every method raises only Refusal."""

    def __init__(
        self, context: Context, residents: ResidentKeys, *, makes_resident_keys: bool
    ) -> None:
        """Register keys.

        Args:
            context: what all use cases share.
            residents: keeps track of keys that stay in the token.
            makes_resident_keys: whether new OPRF keys stay in the token.
        """
        parameters = context.parameters
        self._context = context
        self._residents = residents
        self._makes_resident_keys = makes_resident_keys
        self._limits = registration.Limits(
            parameters.attempt_limit,
            parameters.minimum_attempt_limit,
            parameters.maximum_attempt_limit,
        )
        self._oldest_wrap_key = 0

    def refuse_wrap_keys_before(self, oldest: int) -> None:
        """From now on, register no key that is wrapped under a wrap key before `oldest`."""
        self._oldest_wrap_key = max(self._oldest_wrap_key, oldest)

    async def start(self, account: str, registration_request: bytes) -> RegistrationStarted:
        """Make an OPRF key for a registration and evaluate with it. Changes no record."""
        with malformed("registration_request"):
            RegistrationRequest.decode(registration_request)
        # In a task of its own: cut off after the token has made a resident key, nobody would know
        # of the key until `reconcile` finds it.
        return await self._context.under_way.run(self._start(account, registration_request))

    async def finish(
        self,
        account: str,
        state: bytes,
        registration_record: bytes,
        sealed_backup_key: bytes,
        attempt_limit: int,
    ) -> Registered:
        """Replace the account's record.

        `attempt_limit` 0 keeps that of the key which is replaced; without one, the vault's own.
        """
        with malformed("registration_record"):
            RegistrationRecord.decode(registration_record)
        if len(sealed_backup_key) != labels.SEALED_BACKUP_KEY_SIZE:
            raise Malformed("sealed_backup_key", f"not {labels.SEALED_BACKUP_KEY_SIZE} bytes")
        self._check_attempt_limit(attempt_limit)
        opened = self._open(account, state)
        now = self._context.unexpired(opened)
        key = Active(
            key_id=opened.key_id,
            created_at=now,
            attempt_limit=attempt_limit,
            oprf_key=opened.oprf_key,
            registration_record=registration_record,
            sealed_backup_key=sealed_backup_key,
            stretching=opened.stretching,
        )
        status = await self._context.under_way.run(
            self._context.ledger.change(
                self._context.keys.record_id(account),
                lambda record: self._register(record, opened, key),
            )
        )
        # Only now: while it counts as unfinished, an eviction asks the ledger whether a record
        # references it. Forgotten before the commit, `is_late` could refuse its own registration.
        self._residents.finished(key.oprf_key)
        return Registered(
            status.key.key_id, status.key.attempt_limit, status.attempts_left, status.key.created_at
        )

    async def _start(self, account: str, registration_request: bytes) -> RegistrationStarted:
        """Make the key and the state that the client carries until it finishes."""
        context = self._context
        record_id = context.keys.record_id(account)
        async with contextlib.AsyncExitStack() as held:
            # 1. Make room among the resident keys that no record names yet, oldest first.
            #    Afterwards it would be too late: the token can be full.
            if self._makes_resident_keys:
                await held.enter_async_context(self._residents.room(context.ledger, record_id))
            # 2. Read the record's generation before the key is made. Read any later, it could be
            #    that of another registration, which has been finished since: this one would replace
            #    it, though it began before.
            generation = await context.ledger.change(
                record_id, lambda record: policy.Decision(record, record.generation)
            )
            # 3. Make the key in the token, and evaluate.
            made = await context.token.run(
                CreateRegistrationResponse(registration_request, self._makes_resident_keys)
            )
            state = RegistrationState(
                key_id=os.urandom(labels.KEY_ID_SIZE),
                generation=generation,
                oprf_key=made.oprf_key,
                stretching=context.parameters.stretching,
                expires_at=context.clock() + labels.REGISTRATION_STATE_LIFETIME_MS,
            )
            # 4. Remember the resident key while the room is held: the next registration counts it,
            #    or an account could have one more with each that begins at the same time.
            self._residents.began(record_id, state.oprf_key, state.expires_at)
        sealed = context.keys.registration_states.seal(
            encode_registration_state(state), account.encode()
        )
        return RegistrationStarted(
            made.registration_response, state.key_id, sealed, state.stretching
        )

    def _register(
        self, record: Record, opened: RegistrationState, key: Active
    ) -> policy.Decision[policy.KeyStatus]:
        """Decide in the ledger's thread, on the newest record."""
        # A repetition of what is registered is never late: its key is in the record, so that it is
        # neither destroyed nor left out by a rotation.
        if not _is_registered(record, key.key_id) and self._is_late(opened):
            return policy.Decision(
                record, StateExpired("this registration can no longer be finished; start it again")
            )
        if not key.attempt_limit:
            limit = registration.unnamed_limit(record, key.key_id, self._limits)
            key = replace(key, attempt_limit=limit)
        return registration.register(record, opened.generation, key)

    def _is_late(self, opened: RegistrationState) -> bool:
        """Whether the key of a registration may be gone by now, or soon be."""
        stored = opened.oprf_key
        is_stale = not stored.is_resident and stored.wrap_key < self._oldest_wrap_key
        return is_stale or self._residents.is_late(stored, opened.expires_at)

    def _open(self, account: str, state: bytes) -> RegistrationState:
        with malformed("registration_state"):
            return decode_registration_state(
                self._context.keys.registration_states.open(state, account.encode())
            )

    def _check_attempt_limit(self, limit: int) -> None:
        limits = self._limits
        if limit and not limits.lowest <= limit <= limits.highest:
            raise Malformed("attempt_limit", f"not within {limits.lowest} to {limits.highest}")


def _is_registered(record: Record, key_id: bytes) -> bool:
    return isinstance(record.state, Active) and record.state.key_id == key_id
