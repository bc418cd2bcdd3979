"""A vault that lies in any field: the client ends in a typed error and gives nothing away.

Covered: another identity, in GetVault, at registration and at recovery; another vault id; another
key id or attempt limit than was registered; points that are none; stretching that is too weak or
too heavy; a proof accepted that is none; another sealed key; another account's record; answers of
wrong sizes, suites, times and counts; statuses with unknown reasons and garbage details.
Not covered: a vault that says "wrong password" to the right one; nothing distinguishes it from a
person's mistake, and the rehearsal finds it while the person still has the key.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from lying_vault import KEY, KEY_ID, NOW, PASSWORD, LyingVault, drive, protected

from strongroom import errors, flows, recovery, registration, requests, sealed_key, status, wire
from strongroom.flows import Party
from strongroom_protocol import labels
from strongroom_protocol.convert import SUITE
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.opaque.keys import SoftwareAkeKey, SoftwareOprfKey
from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_protocol.v1 import vault_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.flows import Flow
    from strongroom_protocol.answers import RecoveryStarted


def test_an_honest_vault_gives_the_key_back() -> None:
    vault = protected()
    assert drive(recovery.recover(vault.party, PASSWORD), vault) == KEY
    with pytest.raises(errors.WrongPassword) as wrong:
        drive(recovery.recover(vault.party, "wrong"), vault)
    assert wrong.value.attempts_left == 9
    assert vault.asked[-1] == requests.FinishRecovery(b"state", bytes(32))


def other_stretching(**change: int) -> Callable[[Any], Any]:
    return lambda answer: replace(answer, stretching=replace(answer.stretching, **change))


STRETCHINGS = [
    {"memory_kib": 65535},
    {"memory_kib": 2**20 + 1},
    {"memory_kib": 2**32 - 1},
    {"passes": 2},
    {"passes": 17},
    {"lanes": 0},
    {"lanes": 17},
]


@pytest.mark.parametrize("change", STRETCHINGS)
def test_stretching_out_of_bounds_is_refused_before_any_work(
    change: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = protected(StartRecovery=other_stretching(**change))

    def refuse(*_: object) -> bytes:
        raise AssertionError("stretched")

    monkeypatch.setattr(Argon2id, "__call__", refuse)
    with pytest.raises(errors.VaultParametersRefused):
        drive(recovery.recover(vault.party, PASSWORD), vault)
    vault = LyingVault(StartRegistration=other_stretching(**change))
    with pytest.raises(errors.VaultParametersRefused):
        drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)
    assert not any(isinstance(request, requests.FinishRegistration) for request in vault.asked)


def test_another_identity_is_noticed_before_anything_of_the_password_is_sent() -> None:
    other = SoftwareAkeKey.derive(b"o" * 32).public_key.encode()
    vault = LyingVault(GetVault=lambda info: replace(info, identity_public_key=other))
    with pytest.raises(errors.WrongVault):
        drive(flows.fetch_info(vault.info.identity_public_key), vault)
    assert vault.asked == [requests.GetVault()]
    assert drive(flows.fetch_info(None), vault).identity_public_key == other


def test_another_identity_at_registration() -> None:
    other = SoftwareAkeKey.derive(b"o" * 32).public_key.encode()
    vault = LyingVault(
        StartRegistration=lambda answer: replace(
            answer, registration_response=answer.registration_response[:33] + other
        )
    )
    with pytest.raises(errors.WrongVault):
        drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)
    assert not any(isinstance(request, requests.FinishRegistration) for request in vault.asked)


def test_another_identity_at_recovery() -> None:
    """It has the record but not the identity key: it cannot prove itself."""
    vault = protected()
    party = vault.party
    vault.identity = SoftwareAkeKey.derive(b"o" * 32)
    with pytest.raises((errors.WrongVault, errors.WrongPassword)):
        drive(recovery.recover(party, PASSWORD), vault)
    assert requests.FinishRecovery(b"state", bytes(32)) in vault.asked


def test_a_vault_that_announces_an_identity_which_the_envelope_does_not_know() -> None:
    vault = protected()
    other = SoftwareAkeKey.derive(b"o" * 32).public_key.encode()
    party = Party(replace(vault.info, identity_public_key=other), "alice")
    with pytest.raises(errors.WrongVault):
        drive(recovery.recover(party, PASSWORD), vault)


@pytest.mark.parametrize(
    "party",
    [
        lambda party: replace(party, account="bob"),
        lambda party: replace(party, vault=replace(party.vault, vault_id="vault.other")),
    ],
)
def test_the_envelope_binds_account_and_vault(party: Callable[[Party], Party]) -> None:
    vault = protected()
    with pytest.raises(errors.WrongPassword):
        drive(recovery.recover(party(vault.party), PASSWORD), vault)


@pytest.mark.parametrize("position", [0, 1, 33, 65, 100, 162, 200, 226, 258])
def test_any_changed_byte_of_ke2(position: int) -> None:
    def lie(answer: RecoveryStarted) -> RecoveryStarted:
        ke2 = bytearray(answer.ke2)
        ke2[position] ^= 1
        return replace(answer, ke2=bytes(ke2))

    vault = protected(StartRecovery=lie)
    with pytest.raises((errors.WrongPassword, errors.WrongVault, errors.VaultProtocolError)):
        drive(recovery.recover(vault.party, PASSWORD), vault)
    proofs = [ask for ask in vault.asked if isinstance(ask, requests.FinishRecovery)]
    assert all(proof.ke3 == bytes(32) for proof in proofs)


@pytest.mark.parametrize("element", [bytes(33), b"\x05" + bytes(32), b"\x02" + b"\xff" * 32])
def test_points_that_are_none(element: bytes) -> None:
    vault = LyingVault(
        StartRegistration=lambda answer: replace(
            answer, registration_response=element + answer.registration_response[33:]
        )
    )
    with pytest.raises(errors.VaultProtocolError):
        drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)
    vault = protected(StartRecovery=lambda answer: replace(answer, ke2=element + answer.ke2[33:]))
    with pytest.raises(errors.VaultProtocolError):
        drive(recovery.recover(vault.party, PASSWORD), vault)


def test_a_proof_accepted_that_is_none() -> None:
    vault = protected()
    vault.stands_in["FinishRecovery"] = lambda _: b"s" * 60
    with pytest.raises(errors.VaultProtocolError):
        drive(recovery.recover(vault.party, "wrong"), vault)


def test_another_sealed_key() -> None:
    binding = sealed_key.Binding("vault.test", "alice", KEY_ID)
    for lie in (b"x" * 60, sealed_key.seal(b"e" * 32, KEY, binding)):
        vault = protected()
        vault.stands_in["FinishRecovery"] = partial(_always, lie)
        with pytest.raises(errors.VaultProtocolError):
            drive(recovery.recover(vault.party, PASSWORD), vault)


def _always(answer: bytes, _request: object) -> bytes:
    return answer


def test_another_key_id() -> None:
    vault = protected(StartRecovery=lambda answer: replace(answer, key_id=b"x" * 16))
    with pytest.raises(errors.VaultProtocolError):
        drive(recovery.recover(vault.party, PASSWORD), vault)


def test_a_vault_that_evaluated_wrongly_is_found_by_the_rehearsal() -> None:
    vault = LyingVault()
    honest = vault.oprf_key
    vault.oprf_key = SoftwareOprfKey.generate()
    flow = registration.protect(vault.party, PASSWORD, KEY, None)
    request = next(flow)
    answer = vault.answer(request)
    vault.oprf_key = honest
    with pytest.raises(errors.RehearsalFailed):
        drive(_continued(flow, answer), vault)


def _continued(flow: Flow[Any], answer: Any) -> Flow[Any]:
    request = flow.send(answer)
    while True:
        try:
            reply = yield request
        except StrongroomError as error:
            request = flow.throw(error)
        else:
            request = flow.send(reply)


def test_a_failed_report_is_still_a_wrong_password() -> None:
    def unreachable(_request: requests.FinishRecovery) -> bytes:
        raise errors.VaultUnreachable

    vault = protected()
    vault.stands_in["FinishRecovery"] = unreachable
    with pytest.raises(errors.WrongPassword) as wrong:
        drive(recovery.recover(vault.party, "wrong"), vault)
    assert wrong.value.attempts_left == 9


def test_an_expired_state_is_repeated_with_the_same_bytes_once() -> None:
    vault = protected()
    honest = vault.FinishRecovery
    tries: list[int] = []

    def expire_once(request: requests.FinishRecovery) -> bytes:
        tries.append(1)
        if len(tries) == 1:
            raise errors.StateExpired
        return honest(request)

    vault.stands_in["FinishRecovery"] = expire_once
    assert drive(recovery.recover(vault.party, PASSWORD), vault) == KEY
    starts = [ask for ask in vault.asked if isinstance(ask, requests.StartRecovery)]
    assert len(starts) == 2
    assert starts[0] == starts[1]


def other_key_id(answer: Any) -> Any:
    return replace(answer, key_id=b"x" * 16)


def test_another_key_id_in_answer_to_a_registration() -> None:
    vault = LyingVault(FinishRegistration=other_key_id)
    with pytest.raises(errors.VaultProtocolError):
        drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)


def test_another_attempt_limit_than_was_asked_for() -> None:
    vault = LyingVault()
    with pytest.raises(errors.VaultProtocolError):
        drive(registration.protect(vault.party, PASSWORD, KEY, 5), vault)
    assert drive(registration.protect(vault.party, PASSWORD, KEY, 10), vault).attempt_limit == 10


def test_another_vault_id_than_the_pinned_one() -> None:
    vault = LyingVault()
    identity = vault.info.identity_public_key
    assert drive(flows.fetch_info(identity, "vault.test"), vault) == vault.info
    for pinned in (identity, None):
        with pytest.raises(errors.WrongVault):
            drive(flows.fetch_info(pinned, "vault.other"), vault)


@pytest.mark.parametrize("password", [PASSWORD, "another device's password"])
def test_a_key_replaced_before_the_rehearsal_is_told_as_that(password: str) -> None:
    """Whether its password is the same or not: the key id says that it is another registration."""
    calls_with_it = ("StartRegistration", "FinishRegistration", "StartRecovery")
    other = LyingVault(**dict.fromkeys(calls_with_it, other_key_id))
    drive(registration.protect(other.party, password, KEY, None), other)
    vault = LyingVault()
    vault.stands_in["StartRecovery"] = other.answer
    vault.stands_in["FinishRecovery"] = other.answer
    with pytest.raises(errors.KeyReplaced):
        drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)


@pytest.mark.parametrize(
    "answer",
    [errors.KeyReplaced(), errors.NoKey(), errors.KeyDestroyed(NOW, "attempt_limit")],
    ids=lambda answer: type(answer).__name__,
)
def test_what_the_vault_says_to_a_failure_report_is_what_the_person_is_told(
    answer: StrongroomError,
) -> None:
    def say(_request: requests.FinishRecovery) -> bytes:
        raise answer

    vault = protected()
    vault.stands_in["FinishRecovery"] = say
    with pytest.raises(type(answer)):
        drive(recovery.recover(vault.party, "wrong"), vault)


S = SUITE
POINT = SoftwareAkeKey.derive(b"i" * 32).public_key.encode()
GOOD_ARGON2 = pb.Argon2id(memory_kib=65536, passes=3, lanes=4)
LIES_ON_THE_WIRE = [
    pb.GetVaultResponse(suite=S, vault_id="v", identity_public_key=b"x" * 32),
    pb.GetVaultResponse(suite=S, vault_id="", identity_public_key=b"x" * 33),
    pb.GetVaultResponse(suite=S, vault_id="v" * 65, identity_public_key=b"x" * 33),
    pb.GetVaultResponse(suite=S, vault_id="v", identity_public_key=b"x" * 33, attempt_limit=2**31),
    pb.GetVaultResponse(vault_id="v", identity_public_key=b"x" * 33),
    pb.GetVaultResponse(suite=S, vault_id="v", identity_public_key=b"x" * 33, attempt_limit=10),
    pb.GetVaultResponse(suite=S, vault_id="v", identity_public_key=bytes(33), attempt_limit=10),
    pb.GetVaultResponse(suite=S, vault_id="V", identity_public_key=POINT),
    pb.GetVaultResponse(suite=S, vault_id="v\x1b[2J", identity_public_key=POINT),
    pb.GetVaultResponse(suite=S, vault_id="v\n", identity_public_key=POINT),
    pb.StartRegistrationResponse(suite=S, registration_response=b"x" * 65),
    pb.StartRegistrationResponse(suite=S, registration_response=b"x" * 66, key_id=b"k" * 15),
    pb.StartRegistrationResponse(suite=S, registration_response=b"x" * 66, key_id=KEY_ID),
    pb.StartRegistrationResponse(
        suite=S, registration_response=b"x" * 66, key_id=KEY_ID, registration_state=b"s" * 1025
    ),
    pb.FinishRegistrationResponse(suite=S, key_id=KEY_ID, attempts_left=2**31),
    pb.FinishRegistrationResponse(suite=S, key_id=KEY_ID, attempt_limit=0, attempts_left=0),
    pb.FinishRegistrationResponse(suite=S, key_id=KEY_ID, attempt_limit=9, attempts_left=10),
    pb.FinishRegistrationResponse(suite=S, key_id=KEY_ID, created_at=Timestamp(seconds=2**62)),
    pb.StartRecoveryResponse(suite=S, ke2=b"x" * 258),
    pb.StartRecoveryResponse(suite=S, ke2=b"x" * 259, key_id=KEY_ID, recovery_state=b""),
    pb.FinishRecoveryResponse(suite=S, sealed_backup_key=b"x" * 61),
    pb.FinishRecoveryResponse(suite=S),
    pb.GetKeyResponse(suite=S),
    pb.GetKeyResponse(suite=S, active=pb.GetKeyResponse.Active(key_id=b"short")),
    pb.GetKeyResponse(
        suite=S, active=pb.GetKeyResponse.Active(key_id=KEY_ID, attempt_limit=3, attempts_left=4)
    ),
    pb.DeleteKeyResponse(),
]


@pytest.mark.parametrize("message", LIES_ON_THE_WIRE)
def test_lies_on_the_wire(message: Any) -> None:
    with pytest.raises(errors.VaultProtocolError):
        wire.decode(message)


class Failed(grpc.RpcError):
    """A call that failed with a code and metadata."""

    def __init__(self, code: grpc.StatusCode, details: bytes | None = None) -> None:
        super().__init__()
        self._code = code
        self._metadata: Any = () if details is None else ((labels.STATUS_DETAILS, details),)

    def code(self) -> grpc.StatusCode:
        return self._code

    def trailing_metadata(self) -> Any:
        return self._metadata


def details(reason: str, domain: str = "strongroom", **metadata: str) -> bytes:
    message = Status(code=7)
    message.details.add().Pack(ErrorInfo(reason=reason, domain=domain, metadata=metadata))
    return bytes(message.SerializeToString())


CODE = grpc.StatusCode
STATUSES = [
    (Failed(CODE.PERMISSION_DENIED, details("NEVER_HEARD_OF")), errors.VaultProtocolError),
    (Failed(CODE.PERMISSION_DENIED, b"garbage"), errors.VaultProtocolError),
    (Failed(CODE.PERMISSION_DENIED), errors.VaultProtocolError),
    (Failed(CODE.NOT_FOUND, details("NO_KEY", domain="other")), errors.VaultProtocolError),
    (Failed(CODE.PERMISSION_DENIED, details("WRONG_PASSWORD")), errors.WrongPassword),
    (
        Failed(CODE.PERMISSION_DENIED, details("WRONG_PASSWORD", attempts_left="-1e9")),
        errors.WrongPassword,
    ),
    (
        Failed(CODE.PERMISSION_DENIED, details("WRONG_PASSWORD", attempts_left="9" * 5000)),
        errors.WrongPassword,
    ),
    (
        Failed(CODE.FAILED_PRECONDITION, details("KEY_DESTROYED", destroyed_at="9" * 40)),
        errors.KeyDestroyed,
    ),
    (Failed(CODE.FAILED_PRECONDITION, details("KEY_DESTROYED")), errors.KeyDestroyed),
    (Failed(CODE.RESOURCE_EXHAUSTED, details("WAIT")), errors.MustWait),
    (Failed(CODE.RESOURCE_EXHAUSTED), errors.MessageTooLarge),
    (Failed(CODE.INTERNAL), errors.VaultInternalError),
    (Failed(CODE.UNKNOWN), errors.VaultInternalError),
    (Failed(CODE.DATA_LOSS), errors.VaultProtocolError),
    (Failed(CODE.UNAVAILABLE), errors.VaultUnreachable),
    (Failed(CODE.UNAVAILABLE, details("ROLLBACK_DETECTED")), errors.RollbackDetected),
]


@pytest.mark.parametrize(("failed", "kind"), STATUSES)
def test_statuses(failed: Failed, kind: type[StrongroomError]) -> None:
    error, delay = status.error_of(failed)
    assert type(error) is kind
    assert delay == 0
    assert str(error)
    assert error.hint


HOSTILE: Final = "\x1b]0;owned\x07\x1b[2J\n\u202e\x9b31m" + "x" * 100_000


@pytest.mark.parametrize(
    ("reason", "name", "kind"),
    [
        ("SCOPE_MISSING", "scope", errors.ScopeMissing),
        ("MALFORMED", "field", errors.MalformedRequest),
        ("KEY_DESTROYED", "cause", errors.KeyDestroyed),
        ("WRONG_PASSWORD", "attempts_left", errors.WrongPassword),
        ("KEY_DESTROYED", "destroyed_at", errors.KeyDestroyed),
    ],
)
def test_no_terminal_obeys_what_a_vault_sends(
    reason: str, name: str, kind: type[StrongroomError]
) -> None:
    failed = Failed(CODE.ABORTED, details(reason, **{name: HOSTILE}))
    failed._metadata += ((labels.REQUEST_ID, HOSTILE), (labels.REQUEST_ID, "0" * 17))
    error, _ = status.error_of(failed)
    assert type(error) is kind
    assert (str(error) + error.hint).isprintable()
    assert len(str(error)) < 200
    assert error.request_id == ""
    assert str(getattr(error, name, "")).isprintable()


def test_no_error_takes_control_characters_to_a_terminal() -> None:
    error = StrongroomError(HOSTILE)
    assert str(error).replace("\n", "").isprintable()
    assert len(str(error)) < 5000
    text = "Grüße\u00a0und \u202f❤\ufe0f."
    assert str(StrongroomError(text)) == text


def test_the_request_id_is_in_the_error() -> None:
    failed = Failed(CODE.INTERNAL)
    failed._metadata += ((labels.REQUEST_ID, "0123456789abcdef"),)
    error, _ = status.error_of(failed)
    assert error.request_id == "0123456789abcdef"
    assert error.request_id in error.hint
    assert errors.VaultInternalError.hint == errors.VaultInternalError().hint


def test_what_may_be_repeated() -> None:
    passing = [kind for failed, kind in STATUSES if status.is_transient(status.error_of(failed)[0])]
    assert passing == [errors.VaultUnreachable]
