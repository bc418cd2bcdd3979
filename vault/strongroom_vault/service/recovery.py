"""Recovery: an attempt is charged and anchored, then evaluated; a proof releases the key."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from strongroom_protocol import labels
from strongroom_protocol.answers import RecoveryStarted
from strongroom_protocol.opaque.errors import ClientAuthenticationError
from strongroom_protocol.opaque.messages import KE1, KE3
from strongroom_protocol.opaque.server import finish
from strongroom_vault.errors import HsmUnavailable, KeyNotFound, StoreUnavailable
from strongroom_vault.hsm.jobs import GenerateKE2
from strongroom_vault.ledger.anchor import Unanchored
from strongroom_vault.records import policy
from strongroom_vault.records.codec import (
    RecoveryState,
    decode_recovery_state,
    encode_recovery_state,
)
from strongroom_vault.service.context import malformed

if TYPE_CHECKING:
    from strongroom_vault.hsm.jobs import GeneratedKE2
    from strongroom_vault.service.context import Context


class Recovery:
    """The two calls of a recovery. Every method raises Refusal only."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def start(self, account: str, ke1: bytes) -> RecoveryStarted:
        """Charge one attempt, then let the token evaluate it.

        Raises:
            HsmUnavailable: the token did not answer, and the attempt was given back.
        """
        with malformed("ke1"):
            decoded = KE1.decode(ke1)
        return await self._context.under_way.run(self._attempt(account, decoded))

    async def finish(self, account: str, state: bytes, ke3: bytes) -> bytes:
        """Release the sealed backup key (60 bytes) to whoever proves the password."""
        with malformed("ke3"):
            proof = KE3.decode(ke3)
        opened = self._open(account, state)
        now = self._context.unexpired(opened)
        proven = _proves(proof, opened.expected_client_mac)
        return await self._context.under_way.run(
            self._context.ledger.change(
                self._context.keys.record_id(account),
                lambda record: policy.finish_recovery(
                    record, opened.key_id, opened.serial, proven=proven, now=now
                ),
            )
        )

    async def _attempt(self, account: str, ke1: KE1) -> RecoveryStarted:
        """Charge, commit, anchor, evaluate, answer. The order is the product.

        1. Charge. `change` returns once the charge is committed and anchored. Evaluated any
           earlier, a power cut or an older database would give the guess back for nothing.
        2. If it is committed and not anchored, give it back: nothing was evaluated.
        3. Evaluate in the token.
        4. If the token does not answer, give the charge back. Nothing of an answer has left the
           vault; `policy.give_back` refuses where something may have.
        5. Answer, with a sealed state instead of memory: whoever sends it back may be served by a
           vault that was restarted.
        """
        context = self._context
        record_id = context.keys.record_id(account)
        blinded_element = ke1.credential_request.encode()
        now = context.clock()
        try:
            attempt = await context.ledger.change(
                record_id,
                lambda record: policy.start_recovery(record, blinded_element, now, context.rules),
            )
        except Unanchored as error:
            if isinstance(error.outcome, policy.Attempt):
                await self._give_back(record_id, error.outcome)
            raise
        answer = await self._evaluate(account, record_id, ke1, attempt)
        state = RecoveryState(
            key_id=attempt.key.key_id,
            serial=attempt.serial,
            expected_client_mac=answer.expected_client_mac,
            expires_at=attempt.started_at + labels.RECOVERY_STATE_LIFETIME_MS,
        )
        sealed = context.keys.recovery_states.seal(encode_recovery_state(state), account.encode())
        return RecoveryStarted(
            answer.ke2, state.key_id, sealed, attempt.attempts_left, attempt.key.stretching
        )

    async def _evaluate(
        self, account: str, record_id: bytes, ke1: KE1, attempt: policy.Attempt
    ) -> GeneratedKE2:
        """Have the token answer a charged attempt, or give the charge back.

        Raises:
            HsmUnavailable: the token did not answer.
            Refusal: because the key was destroyed, deleted or replaced meanwhile.
        """
        job = GenerateKE2.of(
            ke1,
            oprf_key=attempt.key.oprf_key,
            registration_record=attempt.key.registration_record,
            client_identity=account.encode(),
            server_identity=self._context.server_identity,
        )
        try:
            return await self._context.token.run(job)
        except HsmUnavailable as error:
            await self._give_back(record_id, attempt)
            await self._refuse_if_gone(record_id, attempt.key.key_id)
            if isinstance(error, KeyNotFound):
                self._context.token.renew_soon()  # the record names a key that must be there
            raise

    async def _give_back(self, record_id: bytes, attempt: policy.Attempt) -> None:
        """Undo the charge; if that fails too, a repetition of the element is still free."""
        charge = attempt.charge
        if charge is None:
            return
        with contextlib.suppress(StoreUnavailable, HsmUnavailable):
            await self._context.ledger.change(
                record_id, lambda record: policy.give_back(record, charge)
            )

    async def _refuse_if_gone(self, record_id: bytes, key_id: bytes) -> None:
        """Raise what became of a key that was destroyed, deleted or replaced in the meantime."""
        with contextlib.suppress(StoreUnavailable, HsmUnavailable):
            await self._context.ledger.change(
                record_id, lambda record: policy.check_key(record, key_id)
            )

    def _open(self, account: str, state: bytes) -> RecoveryState:
        with malformed("recovery_state"):
            return decode_recovery_state(
                self._context.keys.recovery_states.open(state, account.encode())
            )


def _proves(proof: KE3, expected_client_mac: bytes) -> bool:
    try:
        finish(expected_client_mac, proof)
    except ClientAuthenticationError:
        return False
    return True
