"""Proto messages to use cases and back, over a real service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import message_factory
from services import IDENTITIES, LIMIT, QUICK, SEALED, START, World, guess, open_world, proof

from strongroom_protocol import labels
from strongroom_protocol.answers import RecoveryStarted
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.messages import RegistrationResponse
from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_vault.api.backup_key_vault import BackupKeyVault
from strongroom_vault.api.caller import ANONYMOUS, Caller
from strongroom_vault.errors import Malformed, NoKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from vault_process import SoftHsm

SUITE = pb.SUITE_OPAQUE_3DH_P256_SHA256
ALICE = Caller("alice")
METHODS = list(pb.DESCRIPTOR.services_by_name["BackupKeyVault"].methods)
STRETCHING = pb.Argon2id(memory_kib=QUICK.memory_kib, passes=QUICK.passes, lanes=QUICK.lanes)


@pytest.fixture
async def world(tmp_path: Path, softhsm: SoftHsm) -> AsyncIterator[World]:
    async with open_world(tmp_path, softhsm, makes_resident_keys=False) as found:
        yield found


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_another_suite_is_refused_before_any_use_case(method: Any) -> None:
    nothing: Any = None
    call = getattr(BackupKeyVault(nothing), method.name)
    request = message_factory.GetMessageClass(method.input_type)()
    with pytest.raises(Malformed) as refused:
        await call(request, ALICE)
    assert refused.value.field == "suite"


async def test_the_vault_says_what_anybody_may_know(world: World) -> None:
    answer = await BackupKeyVault(world.service).GetVault(
        pb.GetVaultRequest(suite=SUITE), ANONYMOUS
    )
    assert answer == pb.GetVaultResponse(
        suite=SUITE,
        vault_id="vault.test",
        identity_public_key=world.service.parameters.identity_public_key,
        stretching=STRETCHING,
        attempt_limit=10,
        minimum_attempt_limit=1,
        maximum_attempt_limit=10,
    )


async def test_a_whole_life_of_the_callers_key(world: World) -> None:
    vault = BackupKeyVault(world.service)
    request, session = client.create_registration_request(b"right")
    begun = await vault.StartRegistration(
        pb.StartRegistrationRequest(suite=SUITE, registration_request=request.encode()), ALICE
    )
    assert begun.stretching == STRETCHING
    response = RegistrationResponse.decode(begun.registration_response)
    record, _ = client.finalize_registration_request(session, response, IDENTITIES, QUICK)
    finish = pb.FinishRegistrationRequest(
        suite=SUITE,
        registration_state=begun.registration_state,
        registration_record=record.encode(),
        sealed_backup_key=SEALED,
        attempt_limit=LIMIT,
    )
    with pytest.raises(Malformed):
        await vault.FinishRegistration(finish, Caller("bob"))
    registered = await vault.FinishRegistration(finish, ALICE)
    assert registered.key_id == begun.key_id
    assert (registered.attempt_limit, registered.attempts_left) == (LIMIT, LIMIT)
    assert registered.created_at.ToMilliseconds() == START

    ke1, login = guess(b"right")
    started = await vault.StartRecovery(pb.StartRecoveryRequest(suite=SUITE, ke1=ke1), ALICE)
    assert (started.key_id, started.attempts_left) == (begun.key_id, LIMIT - 1)
    assert started.stretching == STRETCHING
    answer = RecoveryStarted(started.ke2, started.key_id, started.recovery_state, 0, QUICK)
    released = await vault.FinishRecovery(
        pb.FinishRecoveryRequest(
            suite=SUITE, recovery_state=started.recovery_state, ke3=proof(login, answer)
        ),
        ALICE,
    )
    assert released == pb.FinishRecoveryResponse(suite=SUITE, sealed_backup_key=SEALED)

    shown = await vault.GetKey(pb.GetKeyRequest(suite=SUITE), ALICE)
    assert shown.active.key_id == begun.key_id
    assert (shown.active.attempt_limit, shown.active.attempts_left) == (LIMIT, LIMIT)
    assert shown.active.created_at.ToMilliseconds() == START
    assert not shown.active.HasField("wait_until")
    with pytest.raises(NoKey):
        await vault.DeleteKey(pb.DeleteKeyRequest(suite=SUITE), Caller("bob"))
    await vault.DeleteKey(pb.DeleteKeyRequest(suite=SUITE), ALICE)
    shown = await vault.GetKey(pb.GetKeyRequest(suite=SUITE), ALICE)
    assert shown.WhichOneof("state") == "absent"


async def test_a_destroyed_key_says_when_and_why(world: World) -> None:
    await world.register()
    for _ in range(LIMIT):
        await world.start(guess()[0])
    world.now += labels.RECOVERY_STATE_LIFETIME_MS + 1
    shown = await BackupKeyVault(world.service).GetKey(pb.GetKeyRequest(suite=SUITE), ALICE)
    assert shown.destroyed.cause == pb.DESTRUCTION_CAUSE_ATTEMPT_LIMIT
    assert START < shown.destroyed.destroyed_at.ToMilliseconds() <= world.now
