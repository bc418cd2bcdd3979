"""What a worker does for each job, on an open token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.messages import KE2, RegistrationResponse
from strongroom_vault.hsm.jobs import (
    AdvanceAnchor,
    AnchorIs,
    CreateRegistrationResponse,
    DestroyOprfKey,
    DestroyWrapKeys,
    GenerateKE2,
    ListOprfKeys,
    ListWrapKeys,
    MakeWrapKey,
    OprfKeys,
    ReadAnchor,
    Rewrap,
    WrapKeys,
)
from strongroom_vault.hsm.token import handlers
from strongroom_vault.ledger.head import Anchored

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken

IDENTITIES = Identities(b"alice", b"vault")
FIRST, SECOND = Anchored(1, bytes(32)), Anchored(2, bytes(32))


def stretch(password: bytes) -> bytes:
    return password


def test_a_registration_is_recovered_with_its_password_alone(token: OpenToken) -> None:
    request, session = client.create_registration_request(b"password")
    made = handlers.start_registration(token, CreateRegistrationResponse(request.encode()))
    record, export_key = client.finalize_registration_request(
        session,
        RegistrationResponse.decode(made.registration_response),
        IDENTITIES,
        ksf=stretch,
    )
    ke1, login = client.generate_ke1(b"password")
    job = GenerateKE2.of(ke1, made.oprf_key, record.encode(), b"alice", b"vault")
    answer = handlers.start_recovery(token, job)
    ke3, recovered = client.generate_ke3(login, KE2.decode(answer.ke2), IDENTITIES, stretch)
    assert ke3.client_mac == answer.expected_client_mac
    assert recovered.export_key == export_key


def test_resident_keys_are_listed_and_destroyed(token: OpenToken) -> None:
    request, _ = client.create_registration_request(b"password")
    job = CreateRegistrationResponse(request.encode(), resident=True)
    key = handlers.start_registration(token, job).oprf_key.public_key
    assert handlers.list_oprf_keys(token, ListOprfKeys()) == OprfKeys((key,))
    assert handlers.destroy_oprf_key(token, DestroyOprfKey(key)) == OprfKeys((key,))
    assert handlers.destroy_oprf_key(token, DestroyOprfKey(key)) == OprfKeys(())
    assert handlers.list_oprf_keys(token, ListOprfKeys()) == OprfKeys(())


def test_a_rotation_of_the_wrap_key(token: OpenToken) -> None:
    request, _ = client.create_registration_request(b"password")
    job = CreateRegistrationResponse(request.encode())
    old = handlers.start_registration(token, job).oprf_key
    assert handlers.list_wrap_keys(token, ListWrapKeys()) == WrapKeys((0,))
    assert handlers.make_wrap_key(token, MakeWrapKey()) == WrapKeys((0, 1))
    new = handlers.rewrap(token, Rewrap(old)).oprf_key
    assert (new.public_key, new.wrap_key) == (old.public_key, 1)
    assert handlers.destroy_wrap_keys(token, DestroyWrapKeys((0,))) == WrapKeys((1,))


def test_the_anchor_is_read_and_moved(token: OpenToken) -> None:
    assert handlers.read_anchor(token, ReadAnchor()) == AnchorIs(None)
    lost = handlers.advance_anchor(token, AdvanceAnchor(FIRST, SECOND))
    assert lost == AnchorIs(None)  # and the worker goes on: the vault decides what that means
    token.anchor.replace(FIRST)
    assert handlers.advance_anchor(token, AdvanceAnchor(FIRST, SECOND)) == AnchorIs(SECOND)
    assert handlers.read_anchor(token, ReadAnchor()) == AnchorIs(SECOND)
