"""What operators are told by the running vault, over a real admin socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

from strongroom_vault.api.vault_admin import STAGES as STAGES_OF_THE_VAULT
from strongroom_vault.errors import OperatorError
from strongroom_vault.operator.admin_client import (
    RESIDENCIES,
    STAGES,
    STATES,
    ActiveRecord,
    AdminClient,
    ShownRecord,
)
from strongroom_vault.server.admin_socket import admin_socket
from strongroom_vault.service.progress import Progress, Stage
from strongroom_vault.v1 import admin_pb2 as pb
from strongroom_vault.v1 import admin_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

Result = TypeVar("Result")

RECORD_ID: Final = b"r" * 32


class Admin(admin_pb2_grpc.VaultAdminServicer):
    """Answers with what a test wants."""

    def __init__(self) -> None:
        self.record = pb.ShowRecordResponse(record_id=RECORD_ID)
        self.rotation = pb.GetRotationResponse()

    async def ShowRecord(self, _request: Any, _context: Any) -> pb.ShowRecordResponse:
        return self.record

    async def GetRotation(self, _request: Any, _context: Any) -> pb.GetRotationResponse:
        return self.rotation


@asynccontextmanager
async def asking(folder: Path) -> AsyncIterator[tuple[Any, Callable[..., Any]]]:
    """A vault's admin socket, and how to ask it by a method of the client."""
    admin: Any = Admin()  # type: ignore[abstract]
    socket = folder / "admin.sock"

    def ask(method: Callable[..., Result], *arguments: Any) -> Result:
        with AdminClient.connect(socket) as client:
            return method(client, *arguments)

    async with admin_socket(socket, admin):
        yield admin, lambda *call: asyncio.to_thread(ask, *call)


async def test_an_active_record(tmp_path: Path) -> None:
    async with asking(tmp_path) as (admin, ask):
        admin.record = pb.ShowRecordResponse(
            record_id=RECORD_ID,
            state=pb.RECORD_STATE_ACTIVE,
            charged=7,
            attempt_limit=10,
            attempts_left=3,
            key_id=b"k" * 16,
            residency=pb.RESIDENCY_WRAPPED,
            wrap_key=2,
        )
        admin.record.since.FromMilliseconds(1_000)
        shown = await ask(AdminClient.show_record, "alice")
        assert shown == ShownRecord(
            RECORD_ID,
            "active",
            "1970-01-01T00:00:01Z",
            7,
            ActiveRecord(10, 3, b"k" * 16, "wrapped", 2, None),
        )
        admin.record.last_started_at.FromMilliseconds(2_500)
        shown = await ask(AdminClient.show_record, "alice")
        assert shown.active.last_started_at == "1970-01-01T00:00:02.500Z"


async def test_a_record_without_a_key(tmp_path: Path) -> None:
    async with asking(tmp_path) as (admin, ask):
        for state, word in ((pb.RECORD_STATE_DESTROYED, "destroyed"), (3, "deleted")):
            admin.record.state = state
            shown = await ask(AdminClient.show_record, "alice")
            assert (shown.state, shown.active) == (word, None)


async def test_the_progress_of_a_rotation(tmp_path: Path) -> None:
    async with asking(tmp_path) as (admin, ask):
        admin.rotation = pb.GetRotationResponse(
            stage=pb.ROTATION_STAGE_REWRAPPING,
            wrap_key=1,
            buckets_done=2,
            buckets=3,
            rewrapped=4,
            problem="waits",
        )
        assert await ask(AdminClient.rotation) == Progress(Stage.REWRAPPING, 1, 2, 3, 4, "waits")


async def test_a_vault_of_another_version_is_not_misunderstood(tmp_path: Path) -> None:
    """Neither a value that is not known here, nor one that is missing, passes for another."""
    async with asking(tmp_path) as (admin, ask):
        for value in (0, 99):
            admin.record.state = value
            with pytest.raises(OperatorError, match="different versions"):
                await ask(AdminClient.show_record, "alice")
            admin.rotation.stage = value
            with pytest.raises(OperatorError, match="different versions"):
                await ask(AdminClient.rotation)


def test_nobody_answers(tmp_path: Path) -> None:
    socket = tmp_path / "admin.sock"
    with (
        pytest.raises(OperatorError, match=f"no vault answers at {socket}; is it running"),
        AdminClient.connect(socket) as client,
    ):
        client.status()


@pytest.mark.parametrize(
    ("words", "enum"),
    [(STATES, pb.RecordState), (RESIDENCIES, pb.Residency), (STAGES, pb.RotationStage)],
)
def test_every_value_of_an_enum_has_its_word(
    words: dict[int, object], enum: _EnumTypeWrapper[int]
) -> None:
    assert set(words) | {0} == set(enum.values())


def test_client_and_vault_agree_on_the_stages() -> None:
    assert {stage: value for value, stage in STAGES.items()} == STAGES_OF_THE_VAULT
    assert set(STAGES_OF_THE_VAULT) == set(Stage)
