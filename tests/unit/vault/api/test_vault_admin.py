"""Operators' calls: records of a real service, the guard's drain, a rotation's progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from grpc import StatusCode
from services import LIMIT, START, World, guess, open_world

from strongroom_protocol import labels
from strongroom_vault.api.vault_admin import VaultAdmin
from strongroom_vault.api.vault_status import VaultStatus
from strongroom_vault.service.progress import Progress, Stage
from strongroom_vault.v1 import admin_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from vault_process import SoftHsm

STATUS = VaultStatus(
    vault_id="vault.test",
    identity_public_key=b"\x02" * 33,
    version="1.2.3",
    started_at=START,
    serving=True,
    token_workers=4,
    token_workers_ready=3,
    token_workers_replaced=2,
    commits=11,
    changes=22,
    draining=False,
    in_flight=5,
)


class Aborted(Exception):
    """What grpcio's `abort` raises."""


class Context:
    """Of grpcio's context, what these calls use."""

    async def abort(self, code: StatusCode, details: str) -> None:
        raise Aborted(code, details)


class Parts:
    """The parts of a vault that an operator's call changes or reads by one attribute."""

    is_draining = False
    begun = 0
    progress = Progress(Stage.DESTROYING, 3, 4, 5, 6, "the store waits")
    problem = ""
    ends_at = 12.5

    def begin(self) -> None:
        self.begun += 1

    def reload(self) -> str:
        return self.problem


class Admin:
    def __init__(self, world: World) -> None:
        self.world = world
        self.parts = Parts()
        parts = cast("Any", self.parts)
        self.calls = VaultAdmin(lambda: STATUS, parts, world.service, parts, parts)
        self.context: Any = Context()

    async def show(self, account: str = "alice") -> pb.ShowRecordResponse:
        return await self.calls.ShowRecord(pb.ShowRecordRequest(account=account), self.context)

    async def delete(self, account: str = "alice") -> None:
        await self.calls.DeleteRecord(pb.DeleteRecordRequest(account=account), self.context)


@pytest.fixture(params=[False, True], ids=["wrapped", "token"])
async def admin(
    tmp_path: Path, softhsm: SoftHsm, request: pytest.FixtureRequest
) -> AsyncIterator[Admin]:
    async with open_world(tmp_path, softhsm, makes_resident_keys=request.param) as world:
        yield Admin(world)


async def test_an_active_record(admin: Admin) -> None:
    await admin.world.register()
    record = await admin.show()
    assert not record.HasField("last_started_at")
    started = await admin.world.start(guess()[0])
    record = await admin.show()
    assert record.state == pb.RECORD_STATE_ACTIVE
    assert record.since.ToMilliseconds() == record.last_started_at.ToMilliseconds() == START
    assert (record.charged, record.attempt_limit, record.attempts_left) == (1, LIMIT, LIMIT - 1)
    assert record.key_id == started.key_id
    assert len(record.record_id) == 32
    is_resident = admin.world.service.registration._makes_resident_keys
    assert record.residency == (pb.RESIDENCY_TOKEN if is_resident else pb.RESIDENCY_WRAPPED)


async def test_a_destroyed_and_a_deleted_record(admin: Admin) -> None:
    world = admin.world
    await world.register()
    for _ in range(LIMIT):
        await world.start(guess()[0])
    world.now += labels.RECOVERY_STATE_LIFETIME_MS + 1
    await world.service.keys.get("alice")
    record = await admin.show()
    assert (record.state, record.residency) == (pb.RECORD_STATE_DESTROYED, 0)
    assert record.since.ToMilliseconds() > START
    await world.register()
    await admin.delete()
    record = await admin.show()
    assert record.state == pb.RECORD_STATE_DELETED
    assert record.since.ToMilliseconds() == world.now


async def test_an_account_without_a_key(admin: Admin) -> None:
    with pytest.raises(Aborted) as aborted:
        await admin.show()
    assert aborted.value.args == (StatusCode.NOT_FOUND, "this account never had a key here")
    with pytest.raises(Aborted) as aborted:
        await admin.delete()
    assert aborted.value.args[0] is StatusCode.NOT_FOUND


async def test_drain_resume_rotate_and_reload(admin: Admin) -> None:
    calls, parts, context = admin.calls, admin.parts, admin.context
    await calls.Drain(pb.DrainRequest(), context)
    assert parts.is_draining
    await calls.Drain(pb.DrainRequest(resume=True), context)
    assert not parts.is_draining
    await calls.RotateWrapKey(pb.RotateWrapKeyRequest(), context)
    assert parts.begun == 1
    rotation = await calls.GetRotation(pb.GetRotationRequest(), context)
    assert rotation == pb.GetRotationResponse(
        stage=pb.ROTATION_STAGE_DESTROYING,
        wrap_key=3,
        buckets_done=4,
        buckets=5,
        rewrapped=6,
        problem="the store waits",
    )
    reloaded = await calls.ReloadCertificate(pb.ReloadCertificateRequest(), context)
    assert reloaded.ends_at.ToMilliseconds() == 12_500
    parts.problem = "not PEM"
    with pytest.raises(Aborted) as aborted:
        await calls.ReloadCertificate(pb.ReloadCertificateRequest(), context)
    assert aborted.value.args == (StatusCode.FAILED_PRECONDITION, "not PEM")


async def test_the_state_of_the_vault(admin: Admin) -> None:
    status = await admin.calls.GetStatus(pb.GetStatusRequest(), admin.context)
    assert status.started_at.ToMilliseconds() == START
    for name in VaultStatus.__slots__:
        if name != "started_at":
            assert getattr(status, name) == getattr(STATUS, name), name
