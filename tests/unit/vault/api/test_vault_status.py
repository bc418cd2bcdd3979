"""The state of the running vault has the fields of admin.proto, and no others."""

from __future__ import annotations

from dataclasses import fields

from strongroom_vault.api.vault_status import VaultStatus
from strongroom_vault.v1 import admin_pb2 as pb


def test_the_fields_are_those_of_admin_proto() -> None:
    names = [field.name for field in pb.GetStatusResponse.DESCRIPTOR.fields]
    assert [field.name for field in fields(VaultStatus)] == names
