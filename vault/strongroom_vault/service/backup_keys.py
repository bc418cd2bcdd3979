"""The use cases: check the request, let the ledger decide and commit, ask the token, answer.

A request that may be charged runs to its end in a task of its own: a caller that goes away, or
whose time is up, changes nothing about what was charged, evaluated or given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from strongroom_protocol import labels
from strongroom_protocol.opaque.errors import ClientAuthenticationError, DecodeError
from strongroom_protocol.opaque.messages import KE1, KE3, RegistrationRecord, RegistrationRequest
from strongroom_protocol.opaque.server import finish
from strongroom_vault.errors import (
    HsmUnavailable,
    KeyNotFound,
    Malformed,
    StateExpired,
    StoreUnavailable,
)
from strongroom_vault.hsm.jobs import CreateRegistrationResponse, GenerateKE2, RunsJobs
from strongroom_vault.ledger.group_commit import LedgerKeys, Unanchored
from strongroom_vault.records import policy
from strongroom_vault.records.codec import (
    RecoveryState,
    RegistrationState,
    decode_recovery_state,
    decode_registration_state,
    encode_recovery_state,
    encode_registration_state,
)
from strongroom_vault.records.record import Active, Destroyed, Record
from strongroom_vault.records.sealing import InvalidSeal, Sealer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from strongroom_protocol.opaque.ksf import Argon2id
    from strongroom_vault.ledger.group_commit import Ledger
    from strongroom_vault.service.resident_keys import ResidentKeys

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class VaultParameters:
    """What anybody may know of the vault.

    Attributes:
        vault_id: 1 to 64 characters of [a-z0-9.-].
        identity_public_key: 33 bytes, SEC 1 compressed.
        stretching: for new keys; each key keeps its own.
        attempt_limit: for a registration that names none, of an account without a key.
        minimum_attempt_limit: the lowest that a client may ask for.
        maximum_attempt_limit: the highest.
    """

    vault_id: str
    identity_public_key: bytes
    stretching: Argon2id
    attempt_limit: int
    minimum_attempt_limit: int
    maximum_attempt_limit: int


@dataclass(frozen=True, slots=True)
class RegistrationStarted:
    """Answer of `start_registration`; sizes as in vault.proto."""

    registration_response: bytes
    key_id: bytes
    state: bytes = field(repr=False)
    stretching: Argon2id


@dataclass(frozen=True, slots=True)
class Registered:
    """Answer of `finish_registration`. `created_at` is in ms."""

    key_id: bytes
    attempt_limit: int
    attempts_left: int
    created_at: int


@dataclass(frozen=True, slots=True)
class RecoveryStarted:
    """Answer of `start_recovery`; sizes as in vault.proto."""

    ke2: bytes = field(repr=False)
    key_id: bytes
    state: bytes = field(repr=False)
    attempts_left: int
    stretching: Argon2id


@dataclass(frozen=True, slots=True)
class ActiveKey:
    """A key that can be recovered. Times in ms; `wait_until`: None unless the next must wait."""

    key_id: bytes
    attempt_limit: int
    attempts_left: int
    created_at: int
    wait_until: int | None
    stretching: Argon2id


DestroyedKey = Destroyed


class TokenWorkers(RunsJobs, Protocol):
    """What the service asks of the token: `hsm.dispatcher.TokenPool`."""

    def renew_soon(self) -> None:
        """Open new sessions, for those that are open do not find a key that must be there."""


class Keys:
    """The secrets derived from the token at start, each for its one use."""

    def __init__(self, derived: Mapping[str, bytes]) -> None:
        self._pseudonym = derived[labels.ACCOUNT_PSEUDONYM]
        self.ledger = LedgerKeys(derived[labels.RECORD_SEALING], derived[labels.HEAD])
        self.registration_states = Sealer(derived[labels.REGISTRATION_STATE])
        self.recovery_states = Sealer(derived[labels.RECOVERY_STATE])

    def record_id(self, account: str) -> bytes:
        """Return the 32-byte pseudonym under which the account's record is kept."""
        return hmac.digest(self._pseudonym, account.encode(), "sha256")


def now_ms() -> int:
    """Return the wall clock in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


class BackupKeyService:
    """What an authenticated account may ask of the vault. Every method raises Refusal only."""

    def __init__(
        self,
        parameters: VaultParameters,
        keys: Keys,
        ledger: Ledger,
        token: TokenWorkers,
        *,
        residents: ResidentKeys,
        registers_resident: bool = False,
        back_off: tuple[int, ...] = (),
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.parameters = parameters
        self._keys = keys
        self._ledger = ledger
        self._token = token
        self._residents = residents
        self._registers_resident = registers_resident
        self._clock = clock
        self._limits = policy.Limits(
            parameters.attempt_limit,
            parameters.minimum_attempt_limit,
            parameters.maximum_attempt_limit,
        )
        self._rules = policy.Rules(back_off, serving_since=clock())
        self._server_identity = labels.SERVER_IDENTITY_PREFIX + parameters.vault_id.encode()
        self._running: set[asyncio.Task[Any]] = set()
        self._oldest_wrap_key = 0

    def refuse_wrap_keys_before(self, oldest: int) -> None:
        """From now on register no key that is wrapped by a key with a number below `oldest`."""
        self._oldest_wrap_key = max(self._oldest_wrap_key, oldest)

    async def start_registration(
        self, account: str, registration_request: bytes
    ) -> RegistrationStarted:
        """Make an OPRF key for a registration and evaluate with it. Changes no record."""
        with _malformed("registration_request"):
            RegistrationRequest.decode(registration_request)
        return await self._to_the_end(self._begin_registration(account, registration_request))

    async def finish_registration(
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
        with _malformed("registration_record"):
            RegistrationRecord.decode(registration_record)
        if len(sealed_backup_key) != labels.SEALED_BACKUP_KEY_SIZE:
            raise Malformed("sealed_backup_key", f"not {labels.SEALED_BACKUP_KEY_SIZE} bytes")
        self._check_attempt_limit(attempt_limit)
        opened = self._open_registration(account, state)
        now = self._unexpired(opened)
        key = Active(
            key_id=opened.key_id,
            created_at=now,
            attempt_limit=attempt_limit,
            oprf_key=opened.oprf_key,
            registration_record=registration_record,
            sealed_backup_key=sealed_backup_key,
            stretching=opened.stretching,
        )
        status = await self._to_the_end(
            self._ledger.change(
                self._keys.record_id(account), lambda record: self._register(record, opened, key)
            )
        )
        self._residents.finished(key.oprf_key)
        return Registered(
            status.key.key_id, status.key.attempt_limit, status.attempts_left, status.key.created_at
        )

    async def start_recovery(self, account: str, ke1: bytes) -> RecoveryStarted:
        """Charge one attempt, then let the token evaluate it.

        Raises:
            HsmUnavailable: the token did not answer, and the attempt was given back.
        """
        with _malformed("ke1"):
            decoded = KE1.decode(ke1)
        return await self._to_the_end(self._attempt(account, decoded))

    async def finish_recovery(self, account: str, state: bytes, ke3: bytes) -> bytes:
        """Release the sealed backup key (60 bytes) to whoever proves the password."""
        with _malformed("ke3"):
            proof = KE3.decode(ke3)
        opened = self._open_recovery(account, state)
        now = self._unexpired(opened)
        proven = _proves(proof, opened.expected_client_mac)
        return await self._to_the_end(
            self._ledger.change(
                self._keys.record_id(account),
                lambda record: policy.finish_recovery(
                    record, opened.key_id, opened.serial, proven=proven, now=now
                ),
            )
        )

    async def get_key(self, account: str) -> ActiveKey | DestroyedKey | None:
        """Say what the vault holds for the account; None for nothing, or for a deleted key."""
        now = self._clock()
        found = await self._ledger.change(
            self._keys.record_id(account), lambda record: policy.status(record, now, self._rules)
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

    async def show_record(self, account: str) -> tuple[bytes, Record]:
        """Return an account's record and its id, for an operator."""
        record_id = self._keys.record_id(account)
        return record_id, await self._ledger.change(
            record_id, lambda record: policy.Decision(record, record)
        )

    async def delete_key(self, account: str) -> None:
        """Delete the account's key at its owner's wish."""
        now = self._clock()
        await self._to_the_end(
            self._ledger.change(
                self._keys.record_id(account), lambda record: policy.delete(record, now)
            )
        )

    async def sweep_bucket(self, bucket: int) -> int:
        """Destroy the spent keys of one bucket; return how many."""
        now = self._clock()
        swept = await self._ledger.sweep_bucket(
            bucket, lambda record: policy.sweep(record, now, self._rules)
        )
        return len(swept)

    @property
    def under_way(self) -> int:
        """How many requests that may be charged have not come to their end."""
        return len(self._running)

    async def drain(self) -> None:
        """Wait until everything that was begun has come to its end."""
        while self._running:
            await asyncio.wait(self._running)

    async def _begin_registration(
        self, account: str, registration_request: bytes
    ) -> RegistrationStarted:
        record_id = self._keys.record_id(account)
        async with contextlib.AsyncExitStack() as held:
            if self._registers_resident:
                await held.enter_async_context(self._residents.room(self._ledger, record_id))
            generation = await self._ledger.change(
                record_id, lambda record: policy.Decision(record, record.generation)
            )
            started = await self._token.run(
                CreateRegistrationResponse(registration_request, self._registers_resident)
            )
            state = RegistrationState(
                key_id=os.urandom(labels.KEY_ID_SIZE),
                generation=generation,
                oprf_key=started.oprf_key,
                stretching=self.parameters.stretching,
                expires_at=self._clock() + labels.REGISTRATION_STATE_LIFETIME_MS,
            )
            self._residents.began(record_id, state.oprf_key, state.expires_at)
        sealed = self._keys.registration_states.seal(
            encode_registration_state(state), account.encode()
        )
        return RegistrationStarted(
            started.registration_response, state.key_id, sealed, state.stretching
        )

    async def _attempt(self, account: str, ke1: KE1) -> RecoveryStarted:
        blinded_element = ke1.credential_request.encode()
        record_id = self._keys.record_id(account)
        now = self._clock()
        try:
            attempt = await self._ledger.change(
                record_id,
                lambda record: policy.start_recovery(record, blinded_element, now, self._rules),
            )
        except Unanchored as error:
            if isinstance(error.outcome, policy.Attempt):
                await self._give_back(record_id, error.outcome)
            raise
        job = GenerateKE2.of(
            ke1,
            oprf_key=attempt.key.oprf_key,
            registration_record=attempt.key.registration_record,
            client_identity=account.encode(),
            server_identity=self._server_identity,
        )
        try:
            answer = await self._token.run(job)
        except HsmUnavailable as error:
            await self._give_back(record_id, attempt)
            await self._refuse_if_gone(record_id, attempt.key.key_id)
            if isinstance(error, KeyNotFound):
                self._token.renew_soon()
            raise
        state = RecoveryState(
            key_id=attempt.key.key_id,
            serial=attempt.serial,
            expected_client_mac=answer.expected_client_mac,
            expires_at=attempt.started_at + labels.RECOVERY_STATE_LIFETIME_MS,
        )
        sealed = self._keys.recovery_states.seal(encode_recovery_state(state), account.encode())
        return RecoveryStarted(
            answer.ke2, state.key_id, sealed, attempt.attempts_left, attempt.key.stretching
        )

    def _register(
        self, record: Record, opened: RegistrationState, key: Active
    ) -> policy.Decision[policy.KeyStatus]:
        if not _is_registered(record, key.key_id) and self._is_late(opened):
            return policy.Decision(record, StateExpired("this registration came back too late"))
        if not key.attempt_limit:
            limit = policy.unnamed_limit(record, key.key_id, self._limits)
            key = replace(key, attempt_limit=limit)
        return policy.register(record, opened.generation, key)

    def _is_late(self, opened: RegistrationState) -> bool:
        """Whether the key of a registration may be gone by now, or soon be."""
        stored = opened.oprf_key
        is_stale = not stored.is_resident and stored.wrap_key < self._oldest_wrap_key
        return is_stale or self._residents.is_late(stored, opened.expires_at)

    async def _give_back(self, record_id: bytes, attempt: policy.Attempt) -> None:
        """Undo the charge; if that fails too, a repetition of the element is still free."""
        charge = attempt.charge
        if charge is None:
            return
        with contextlib.suppress(StoreUnavailable, HsmUnavailable):
            await self._ledger.change(record_id, lambda record: policy.give_back(record, charge))

    async def _refuse_if_gone(self, record_id: bytes, key_id: bytes) -> None:
        """Raise what became of a key that was destroyed, deleted or replaced in the meantime."""
        with contextlib.suppress(StoreUnavailable, HsmUnavailable):
            await self._ledger.change(record_id, lambda record: policy.check_key(record, key_id))

    async def _to_the_end(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Await `work` in a task that outlives a cancelled caller."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits gets it; if nobody does, it is not lost noise

    def _check_attempt_limit(self, asked: int) -> None:
        limits = self._limits
        if asked and not limits.lowest <= asked <= limits.highest:
            raise Malformed("attempt_limit", f"not within {limits.lowest} to {limits.highest}")

    def _open_registration(self, account: str, state: bytes) -> RegistrationState:
        with _malformed("registration_state"):
            return decode_registration_state(
                self._keys.registration_states.open(state, account.encode())
            )

    def _open_recovery(self, account: str, state: bytes) -> RecoveryState:
        with _malformed("recovery_state"):
            return decode_recovery_state(self._keys.recovery_states.open(state, account.encode()))

    def _unexpired(self, state: RegistrationState | RecoveryState) -> int:
        """Return the time, if the state is still good at it."""
        now = self._clock()
        if now > state.expires_at:
            raise StateExpired("this state came back too late")
        return now


def _is_registered(record: Record, key_id: bytes) -> bool:
    return isinstance(record.state, Active) and record.state.key_id == key_id


def _proves(proof: KE3, expected_client_mac: bytes) -> bool:
    try:
        finish(expected_client_mac, proof)
    except ClientAuthenticationError:
        return False
    return True


@contextlib.contextmanager
def _malformed(name: str) -> Iterator[None]:
    """What cannot be decoded or opened is refused before anything is charged."""
    try:
        yield
    except DecodeError as error:
        raise Malformed(name, str(error)) from error
    except InvalidSeal as error:
        raise Malformed(name, "not a state that this vault gave to this account") from error
