"""Sections 2, 3.7 and 8 of docs/protocol.md over the wire: what a vault reads, refuses and answers.

Each test names its clauses in brackets. The tables of the page are compared with the sources in
tests/unit/project; test_protocol_tokens.py has access tokens, and
test_protocol_calls.py what the calls do.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import grpc
import pytest
from quick_account import QuickAccount
from vault_process import VAULT_ID
from wire_client import ANSWERS, SERVICE, Refused, WireClient, method_of, wire_client

from strongroom.wire import encode
from strongroom_protocol.opaque import client as opaque
from strongroom_protocol.opaque.group import PRIME
from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_vault.api.guard import SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message
    from vault_process import VaultProcess

SUITE: Final = pb.SUITE_OPAQUE_3DH_P256_SHA256
MAX_MESSAGE: Final = 16_384
CODE: Final = grpc.StatusCode
UNKNOWN_FIELD: Final = b"\xa2\x06"  # field 100, length-delimited
NO_MESSAGE: Final = b"\x0a\xff"  # field 1 says 255 bytes, and none follow
AUTHENTICATED: Final = [name for name, scope in SCOPES.items() if scope is not None]


@pytest.fixture
def wire(shared_vault: VaultProcess, account: str) -> Iterator[WireClient]:
    with wire_client(shared_vault, account) as client:
        yield client


@pytest.fixture
def requests(shared_vault: VaultProcess, account: str, wire: WireClient) -> dict[str, Message]:
    """A good request for each call, of an account that has a key and one attempt under way."""
    owner = QuickAccount(account)
    owner.register(shared_vault)
    finish, _ = owner.begin(shared_vault)
    registration, _ = opaque.create_registration_request(b"password")
    ke1, _ = opaque.generate_ke1(b"wrong")
    start = pb.StartRecoveryRequest(suite=SUITE, ke1=ke1.encode())
    started = wire.call(start)
    messages = (
        pb.GetVaultRequest(suite=SUITE),
        pb.StartRegistrationRequest(suite=SUITE, registration_request=registration.encode()),
        encode(finish),
        start,
        pb.FinishRecoveryRequest(suite=SUITE, recovery_state=started.recovery_state, ke3=bytes(32)),
        pb.GetKeyRequest(suite=SUITE),
        pb.DeleteKeyRequest(suite=SUITE),
    )
    return {method_of(message): message for message in messages}


def refused(call: Callable[[], object], reason: str | None, **metadata: str) -> Refused:
    with pytest.raises(Refused) as error:
        call()
    assert (error.value.reason, error.value.metadata) == (reason, metadata), str(error.value)
    return error.value


def state_of(wire: WireClient) -> bytes:
    """All that GetKey says: what must be as before when a request was refused."""
    found: bytes = wire.call(pb.GetKeyRequest(suite=SUITE)).SerializeToString()
    return found


def test_every_call_refuses_another_suite(wire: WireClient, requests: dict[str, Message]) -> None:
    """[2.6]"""
    before = state_of(wire)
    for request in requests.values():
        for suite in (0, 2, 77):
            request.suite = suite  # type: ignore[attr-defined]  # every request has one
            error = refused(lambda: wire.call(request), "MALFORMED", field="suite")  # noqa: B023
            assert error.code is CODE.INVALID_ARGUMENT
    assert state_of(wire) == before


def test_every_call_ignores_unknown_fields(wire: WireClient, requests: dict[str, Message]) -> None:
    """[2.8]"""
    more = UNKNOWN_FIELD + bytes([100]) + os.urandom(100)
    del requests["FinishRecovery"]  # it reports a failure, which is an answer too, but no message
    for method, request in requests.items():
        answer = ANSWERS[method].FromString(wire.send(method, request.SerializeToString() + more))
        assert answer.suite == SUITE  # type: ignore[attr-defined]


SIZES: Final = [
    ("StartRegistration", "registration_request"),
    ("FinishRegistration", "registration_state"),
    ("FinishRegistration", "registration_record"),
    ("FinishRegistration", "sealed_backup_key"),
    ("StartRecovery", "ke1"),
    ("FinishRecovery", "recovery_state"),
    ("FinishRecovery", "ke3"),
]


def test_every_size(wire: WireClient, requests: dict[str, Message]) -> None:
    """[2.8, 3.8] Another size is refused by the field's name, and nothing happened."""
    before = state_of(wire)
    fields = [
        (name, field.name)
        for name, request in requests.items()
        for field in request.DESCRIPTOR.fields
        if field.type == field.TYPE_BYTES
    ]
    assert fields == SIZES
    for method, field in SIZES:
        good = getattr(requests[method], field)
        for bad in (b"", good[:-1], good + b"\0", bytes(1025)):
            setattr(requests[method], field, bad)
            refused(lambda: wire.call(requests[method]), "MALFORMED", field=field)  # noqa: B023
        setattr(requests[method], field, good)
    assert state_of(wire) == before


POINTS: Final = [
    ("StartRegistration", "registration_request", 0),
    ("FinishRegistration", "registration_record", 0),
    ("StartRecovery", "ke1", 0),
    ("StartRecovery", "ke1", 65),
]
NO_POINTS: Final = {
    "identity": bytes(33),
    "other first byte": b"\x04" + bytes(31) + b"\x05",
    "x is the prime": b"\x02" + PRIME.to_bytes(32),
    "x without a point": b"\x02" + bytes(31) + b"\x01",
}


def test_every_point(wire: WireClient, requests: dict[str, Message]) -> None:
    """[3.7] What is no point is refused, wherever it stands, and nothing happens."""
    before = state_of(wire)
    for method, field, offset in POINTS:
        good = getattr(requests[method], field)
        for bad in NO_POINTS.values():
            setattr(requests[method], field, good[:offset] + bad + good[offset + 33 :])
            refused(lambda: wire.call(requests[method]), "MALFORMED", field=field)  # noqa: B023
        setattr(requests[method], field, good)
    assert state_of(wire) == before


def test_a_request_that_is_no_message(wire: WireClient, requests: dict[str, Message]) -> None:
    """[8.1, 8.2]"""
    before = state_of(wire)
    for method in requests:
        error = refused(lambda: wire.send(method, NO_MESSAGE), "MALFORMED", field="request")  # noqa: B023
        assert error.code is CODE.INVALID_ARGUMENT
    assert state_of(wire) == before


def test_a_call_that_does_not_exist(wire: WireClient) -> None:
    """[8.2]"""
    assert refused(lambda: wire.send("GetKeys", b""), None).code is CODE.UNIMPLEMENTED


def test_a_message_has_16384_bytes_at_most(wire: WireClient) -> None:
    """[2.3]"""
    request = pb.GetKeyRequest(suite=SUITE).SerializeToString() + UNKNOWN_FIELD
    room = MAX_MESSAGE - len(request) - 2  # a length of two bytes
    length = bytes([room & 127 | 128, room >> 7])
    largest = request + length + bytes(room)
    assert len(largest) == MAX_MESSAGE
    assert ANSWERS["GetKey"].FromString(wire.send("GetKey", largest)).suite == SUITE  # type: ignore[attr-defined]
    error = refused(lambda: wire.send("GetKey", largest + bytes(1)), None)
    assert error.code is CODE.RESOURCE_EXHAUSTED


def test_metadata_has_8192_bytes_at_most(
    shared_vault: VaultProcess, account: str, wire: WireClient
) -> None:
    """[2.3] Counted as HTTP/2 does: names, values and 32 bytes for each."""
    authorization = ("authorization", f"Bearer {shared_vault.folder.access_token(account)}")

    few, many = [("x-noise", "n" * 7_000)], [(f"x-{number}", "") for number in range(250)]
    answer = wire.call(pb.GetKeyRequest(suite=SUITE), [authorization, *few])
    assert answer.WhichOneof("state") == "absent"
    for noise in ([("x-noise", "n" * 8_192)], many):
        metadata = [authorization, *noise]
        error = refused(lambda: wire.call(pb.GetKeyRequest(suite=SUITE), metadata), None)  # noqa: B023
        assert error.code is CODE.RESOURCE_EXHAUSTED


def test_the_authorization(shared_vault: VaultProcess, account: str, wire: WireClient) -> None:
    """[2.4] Exactly once, and the scheme's case does not count (RFC 9110 section 11.1)."""
    good = f"Bearer {shared_vault.folder.access_token(account)}"
    for bad in ("", "Bearer", good.removeprefix("Bearer "), good.replace("Bearer", "Basic")):
        metadata = [("authorization", bad)]
        call = partial(wire.call, pb.GetKeyRequest(suite=SUITE), metadata)
        refused(call, "ACCESS_TOKEN_INVALID", check="form")
    twice = [("authorization", good), ("authorization", good)]
    call = partial(wire.call, pb.GetKeyRequest(suite=SUITE), twice)
    refused(call, "ACCESS_TOKEN_INVALID", check="form")
    lower = [("authorization", good.replace("Bearer", "bearer"))]
    assert wire.call(pb.GetKeyRequest(suite=SUITE), lower).HasField("absent")
    for method in AUTHENTICATED:
        error = refused(lambda: wire.send(method, b"", ()), "ACCESS_TOKEN_MISSING")  # noqa: B023
        assert error.code is CODE.UNAUTHENTICATED
    for ignored in ((), [("authorization", "Bearer garbage")]):
        assert wire.call(pb.GetVaultRequest(suite=SUITE), ignored).vault_id == VAULT_ID


def test_accounts_are_compared_byte_for_byte(shared_vault: VaultProcess, account: str) -> None:
    """[1.2]"""
    QuickAccount(f"{account} \u00e9").register(shared_vault)
    for other in (f"{account} e\u0301", f"{account.upper()} \u00e9", f" {account} \u00e9"):
        with wire_client(shared_vault, other) as wire:
            assert wire.call(pb.GetKeyRequest(suite=SUITE)).HasField("absent")


def test_the_order_of_decisions(
    shared_vault: VaultProcess, account: str, wire: WireClient, requests: dict[str, Message]
) -> None:
    """[8.3] Of two things wrong, the earlier one is answered."""
    before = state_of(wire)
    read_alone = shared_vault.folder.access_token(account, "read")
    for method in set(AUTHENTICATED) - {"GetKey"}:
        missing, wrong = (), (("authorization", f"Bearer {read_alone}"),)
        refused(lambda: wire.send(method, NO_MESSAGE, missing), "ACCESS_TOKEN_MISSING")  # noqa: B023
        scope = SCOPES[method]
        assert scope is not None
        refused(lambda: wire.send(method, NO_MESSAGE, wrong), "SCOPE_MISSING", scope=scope)  # noqa: B023
    for method, field in SIZES:
        setattr(requests[method], field, b"")
        request = requests[method]
        request.suite = 7  # type: ignore[attr-defined]
        broken = request.SerializeToString() + NO_MESSAGE
        refused(lambda: wire.send(method, broken), "MALFORMED", field="request")  # noqa: B023
        refused(lambda: wire.call(request), "MALFORMED", field="suite")  # noqa: B023
    assert state_of(wire) == before
    with wire_client(shared_vault, account + " without a key") as nobody:
        start = pb.StartRecoveryRequest(suite=SUITE, ke1=bytes(98))
        refused(lambda: nobody.call(start), "MALFORMED", field="ke1")
        start.ke1 = opaque.generate_ke1(b"password")[0].encode()
        assert refused(lambda: nobody.call(start), "NO_KEY").code is CODE.NOT_FOUND


def test_load_is_looked_at_first(shared_vault: VaultProcess, wire: WireClient) -> None:
    """[8.3, 8.1] A vault that takes no calls says so to everybody, and when to come again."""
    shared_vault.folder.operator("drain")
    try:
        for method in SCOPES:
            error = refused(lambda: wire.send(method, NO_MESSAGE, ()), "OVERLOADED")  # noqa: B023
            assert error.code is CODE.UNAVAILABLE
            assert error.retry_after is not None
            assert error.retry_after > 0
    finally:
        shared_vault.folder.operator("resume")


def test_every_answer_names_its_call(wire: WireClient, shared_vault: VaultProcess) -> None:
    """[8.1] The trailing metadata `request-id` is what the vault's log has."""
    error = refused(lambda: wire.send("GetKey", NO_MESSAGE), "MALFORMED", field="request")
    call: Any = grpc.secure_channel(
        shared_vault.address,
        grpc.ssl_channel_credentials(shared_vault.folder.certificate.read_bytes()),
    )
    with call as channel:
        ask = channel.unary_unary(f"/{SERVICE.full_name}/GetVault")
        _, done = ask.with_call(pb.GetVaultRequest(suite=SUITE).SerializeToString())
        good = dict(done.trailing_metadata())
    for trailing in (error.trailing, good):
        assert len(bytes.fromhex(trailing["request-id"])) == 8
