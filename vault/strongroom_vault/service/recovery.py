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
    """The two calls of a recovery. Every method raises only Refusal."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def start(self, account: str, ke1: bytes) -> RecoveryStarted:
        """Charge one attempt, then let the token evaluate it.

        Raises:
            HsmUnavailable: the token did not answer, and the attempt was given back.
        """
        with malformed("ke1"):
            decoded = KE1.decode(ke1)
        # In a task of its own, which a caller that leaves cannot cancel: cut off between charge and
        # evaluation, the attempt would be lost and nobody would give it back.
        return await self._context.under_way.run(self._attempt(account, decoded))

    async def finish(self, account: str, state: bytes, ke3: bytes) -> bytes:
        """Release the sealed backup key (60 bytes) to whoever proves the password."""
        with malformed("ke3"):
            proof = KE3.decode(ke3)
        opened = self._open(account, state)
        now = self._context.unexpired(opened)
        # The MAC comes from the sealed state, the record from the ledger: a proof holds for the key
        # and the serial that the state names, and `policy` compares both with the newest record.
        proven = _proves(proof, opened.expected_client_mac)
        # A wrong proof is a change as well: the failure of the last attempt destroys the key, and
        # the answer must not leave before that is anchored.
        return await self._context.under_way.run(
            self._context.ledger.change(
                self._context.keys.record_id(account),
                lambda record: policy.finish_recovery(
                    record, opened.key_id, opened.serial, proven=proven, now=now
                ),
            )
        )

    async def _attempt(self, account: str, ke1: KE1) -> RecoveryStarted:
        """Charge, commit, anchor, evaluate, answer. The order is the product."""
        context = self._context
        record_id = context.keys.record_id(account)
        blinded_element = ke1.credential_request.encode()
        now = context.clock()
        # 1. Charge. `change` returns once the charge is committed and anchored. Evaluated any
        #    earlier, a power cut or an older database would give the guess back for nothing.
        try:
            attempt = await context.ledger.change(
                record_id,
                lambda record: policy.start_recovery(record, blinded_element, now, context.rules),
            )
        # 2. If it is committed and not anchored, give it back: nothing was evaluated, and a fault
        #    of the vault costs nobody an attempt. A repetition that was not charged has nothing to
        #    give.
        except Unanchored as error:
            if isinstance(error.outcome, policy.Attempt):
                await self._give_back(record_id, error.outcome)
            raise
        # 3. Evaluate in the token (and 4., if it does not answer, give the charge back).
        answer = await self._evaluate(account, record_id, ke1, attempt)
        # 5. Answer, with a sealed state instead of memory: the vault may be restarted before it
        #    comes back. Its time runs from the start of the attempt, as that of a spent key does:
        #    no key is destroyed for its age while a state could still recover it.
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
            # 4. Give the charge back. Nothing of an answer has left the vault, and nobody awaits a
            #    worker that answers after this. `policy.give_back` refuses where something may have
            #    left, by a repetition.
            await self._give_back(record_id, attempt)
            # A resident key is destroyed with its record. Then the record's state is the true
            # answer, and a client that was told HSM_UNAVAILABLE would try again in vain.
            await self._refuse_if_gone(record_id, attempt.key.key_id)
            # After that check: the record still names a key that this session does not find. A
            # renewal for each destroyed key would keep the workers restarting.
            if isinstance(error, KeyNotFound):
                self._context.token.renew_soon()
            raise

    async def _give_back(self, record_id: bytes, attempt: policy.Attempt) -> None:
        """Undo the charge; if that fails too, a repetition of the element is still free."""
        charge = attempt.charge
        if charge is None:
            return  # a repetition, which was not charged
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
