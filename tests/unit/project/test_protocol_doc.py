"""docs/protocol.md says what the code does: its tables and vectors are compared with the sources.

Each table is read as a whole, so a row that is missing, left over or wrong fails alike.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from strongroom_labels import LABELS as STRONGROOM_LABELS

from strongroom import (
    BackupKey,
    PasswordRefused,
    exchange,
    passwords,
    recovery,
    requests,
    route,
    sealed_key,
    stretching,
)
from strongroom.identity import decode_identity, encode_identity
from strongroom.sealed_key import Binding
from strongroom.status import _BY_REASON as BY_REASON
from strongroom_protocol import labels as vault_labels
from strongroom_protocol.opaque import client, labels, messages
from strongroom_protocol.opaque.group import GENERATOR
from strongroom_protocol.opaque.kdf import expand
from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_vault import errors
from strongroom_vault.api import auth, bounds, guard, status
from strongroom_vault.api import requests as vault_requests
from strongroom_vault.hsm import supervisor
from strongroom_vault.ledger import journal
from strongroom_vault.settings import config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor

    from strongroom_protocol.opaque.wire import Message

REPOSITORY: Final = Path(__file__).parents[3]
PAGE: Final = (REPOSITORY / "docs" / "protocol.md").read_text(encoding="utf-8")
WIRE_TYPES: Final = {
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
}
ELEMENT: Final = GENERATOR
OPAQUE_MESSAGES: Final[dict[str, Message]] = {
    "RegistrationRequest": messages.RegistrationRequest(ELEMENT),
    "RegistrationResponse": messages.RegistrationResponse(ELEMENT, ELEMENT),
    "RegistrationRecord": messages.RegistrationRecord(
        ELEMENT, bytes(32), messages.Envelope(bytes(32), bytes(32))
    ),
    "KE1": client.generate_ke1(b"password")[0],
    "KE2": messages.KE2(
        messages.CredentialResponse(ELEMENT, bytes(32), bytes(97)),
        messages.AuthResponse(bytes(32), ELEMENT, bytes(32)),
    ),
    "KE3": messages.KE3(bytes(32)),
}
NOT_ON_THE_WIRE: Final = {
    "MODE_OPRF",  # a byte of the suite's context, in 3.10
    "LENGTH_PREFIXED_MAX",  # no field comes near it
    "RECORD_ID_SIZE",
    "ROW_MULTIPLE",
}


def table(*head: str) -> list[list[str]]:
    """The cells of the one table of the page that begins with this head, without backticks."""
    found = [rows for rows in tables() if rows[0][: len(head)] == list(head)]
    assert len(found) == 1, f"{len(found)} tables with the head {head}"
    assert found[0][2:]
    return [[cell.replace("`", "") for cell in row] for row in found[0][2:]]


def tables() -> Iterator[list[list[str]]]:
    """The cells of every table, a list of rows each."""
    for is_table, lines in groupby(PAGE.splitlines(), lambda line: line.strip().startswith("|")):
        if is_table:
            yield [
                [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
                for line in lines
            ]


def example(name: str) -> str:
    """A value of section 11, its lines put together."""
    value = re.search(rf"^ +{re.escape(name)} += (.+(?:\n {{29}}\w+)*)", vectors(), re.MULTILINE)
    assert value is not None, name
    return re.sub(r"\n +", "", value[1])


def vectors() -> str:
    return PAGE[PAGE.index("\n## 11.") : PAGE.index("\n## 12.")]


def all_messages() -> Iterator[Descriptor]:
    """The messages of vault.proto that have fields, those inside of others too."""
    outer = list(pb.DESCRIPTOR.message_types_by_name.values())
    nested = [message for parent in outer for message in parent.nested_types]
    return iter(message for message in outer + nested if message.fields)


def short(full_name: str) -> str:
    return full_name.removeprefix("strongroom.v1.")


def type_of(field: FieldDescriptor) -> str:
    kind = field.message_type or field.enum_type
    return short(kind.full_name) if kind is not None else WIRE_TYPES[field.type]


def test_every_field_of_every_message() -> None:
    written = [row[:4] for row in table("message", "number", "field")]
    assert written == [
        [short(message.full_name), str(field.number), field.name, type_of(field)]
        for message in sorted_as_written(written)
        for field in message.fields
    ]


def sorted_as_written(rows: list[list[str]]) -> list[Descriptor]:
    """All messages, in the page's order; one that the page leaves out comes last."""
    order = [row[0] for row in rows]
    place = {name: order.index(name) for name in order}
    return sorted(all_messages(), key=lambda m: place.get(short(m.full_name), len(order)))


def test_every_value_of_every_enumeration() -> None:
    assert table("enumeration", "number", "name") == [
        [name, str(value.number), value.name]
        for name, enumeration in pb.DESCRIPTOR.enum_types_by_name.items()
        for value in enumeration.values
    ]


GOOGLE: Final = (Status, AnyMessage, ErrorInfo, RetryInfo, Duration, Timestamp)


def type_of_google(field: FieldDescriptor) -> str:
    if field.message_type is None:
        return WIRE_TYPES[field.type]
    if field.message_type.GetOptions().map_entry:
        return "map of string to string"
    return "repeated " * field.is_repeated + field.message_type.full_name


def test_every_field_of_googles_messages() -> None:
    assert table("message of Google's", "number") == [
        [message.DESCRIPTOR.full_name, str(field.number), field.name, type_of_google(field)]
        for message in GOOGLE
        for field in message.DESCRIPTOR.fields
    ]


def test_every_call_with_its_scope() -> None:
    rpcs = [method.name for method in pb.DESCRIPTOR.services_by_name["BackupKeyVault"].methods]
    written = dict(table("call", "scope"))
    assert list(written) == rpcs
    for name, scope in guard.SCOPES.items():
        assert written.pop(name) == scope or scope is None
    assert not written


def test_every_call_says_what_its_repetition_does() -> None:
    rows = table("call", "the same bytes again")
    named = [name for calls_, _ in rows for name in calls_.split(", ")]
    assert sorted(named) == sorted(guard.SCOPES)


REFUSALS: Final[dict[type[errors.Refusal], errors.Refusal]] = {
    errors.AccessTokenMissing: errors.AccessTokenMissing(),
    errors.AccessTokenInvalid: errors.AccessTokenInvalid(),
    errors.AccessTokenExpired: errors.AccessTokenExpired(),
    errors.ScopeMissing: errors.ScopeMissing("read"),
    errors.Malformed: errors.Malformed("ke1", "short"),
    errors.NoKey: errors.NoKey(),
    errors.WrongPassword: errors.WrongPassword(1),
    errors.KeyDestroyed: errors.KeyDestroyed(1, errors.Cause.ATTEMPT_LIMIT),
    errors.KeyReplaced: errors.KeyReplaced(),
    errors.StateExpired: errors.StateExpired(),
    errors.Wait: errors.Wait("wait", 1),
    errors.Overloaded: errors.Overloaded("busy", 1),
    errors.HsmUnavailable: errors.HsmUnavailable("token", 1),
    errors.StoreUnavailable: errors.StoreUnavailable("store", 1),
    errors.RollbackDetected: errors.RollbackDetected(),
}


def concrete(kind: type[errors.Refusal]) -> set[type[errors.Refusal]]:
    below = {found for child in kind.__subclasses__() for found in concrete(child)}
    return below | ({kind} if "reason" in vars(kind) else set())


def test_every_refusal_with_its_code_and_details() -> None:
    assert set(REFUSALS) == set(status.CODES) == concrete(errors.Refusal)
    assert [row[:4] for row in table("reason", "code")] == [
        [
            refusal.reason,
            status.CODES[kind].name,
            "yes" if issubclass(kind, errors.RetryLater) else "",
            ", ".join(refusal.metadata),
        ]
        for kind, refusal in REFUSALS.items()
    ]


def test_every_refusal_is_an_outcome_of_an_attempt() -> None:
    """6.4 and both clients agree on which of them decide it, so that KE1 may be let go."""
    rows = table("outcome", "report?")
    decided, kept = (
        {reason for row in rows if row[2].startswith(word) for reason in reasons(row[0])}
        for word in ("drop", "keep")
    )
    assert decided | kept == {refusal.reason for refusal in REFUSALS.values()}
    assert decided == {
        reason
        for reason, error in BY_REASON.items()
        if isinstance(error({}, 0.0), recovery.DECIDED)
    }
    source = (REPOSITORY / "tests" / "interop" / "client.js").read_text()
    assert decided == reasons(source[source.index("const DECIDED") :].split(";")[0])


def reasons(text: str) -> set[str]:
    """The reasons of refusals that a text names."""
    return set(re.findall(r"\b[A-Z]+_[A-Z_]+\b|\bWAIT\b|\bMALFORMED\b|\bOVERLOADED\b", text))


@pytest.mark.parametrize("cause", errors.Cause)
def test_every_cause_of_a_destruction(cause: errors.Cause) -> None:
    assert f"`cause` is `{cause.value}`" in PAGE


def test_the_domain_of_errors() -> None:
    assert f'`domain` "{vault_labels.ERROR_DOMAIN}"' in PAGE
    assert f"`{vault_labels.STATUS_DETAILS}`" in PAGE


CONSTANTS: Final = {
    "Noe": labels.NOE,
    "Nok": labels.NOK,
    "Npk": labels.NPK,
    "Nsk": labels.NSK,
    "Nn": labels.NN,
    "Nseed": labels.NSEED,
    "Nh": labels.NH,
    "Nm": labels.NM,
    "Nx": labels.NX,
    "envelope": labels.ENVELOPE_SIZE,
    "masked response": labels.MASKED_RESPONSE_SIZE,
    **{name: len(message.encode()) for name, message in OPAQUE_MESSAGES.items()},
    "backup key": vault_labels.BACKUP_KEY_SIZE,
    "sealed backup key": vault_labels.SEALED_BACKUP_KEY_SIZE,
    "nonce of a sealed backup key": vault_labels.SEAL_NONCE_SIZE,
    "key id": vault_labels.KEY_ID_SIZE,
    "vault id, at most": vault_labels.VAULT_ID_MAX_SIZE,
    "account, at most": vault_labels.ACCOUNT_MAX_SIZE,
    "password, at most": vault_labels.PASSWORD_MAX_SIZE,
    "state, at most": vault_labels.STATE_MAX_SIZE,
    "message, at most": vault_labels.MESSAGE_MAX_SIZE,
    "metadata, at most": bounds.MAX_METADATA,
    "access token, at most": vault_labels.ACCESS_TOKEN_MAX_SIZE,
    "access token, lifetime at most": auth.MAX_LIFETIME_S,
    "life of a registration state": vault_labels.REGISTRATION_STATE_LIFETIME_MS // 1000,
    "life of a recovery state": vault_labels.RECOVERY_STATE_LIFETIME_MS // 1000,
    "time of a call, at most": int(guard.MAX_SECONDS),
    "time from a call's header fields to its request, at most": int(vault_requests.REQUEST_S),
    "attempt limit, at most": vault_labels.ATTEMPT_LIMIT_MAX,
    "Argon2id memory, at least": stretching.LIGHTEST.memory_kib,
    "Argon2id memory, at most": stretching.HEAVIEST.memory_kib,
    "Argon2id passes, at least": stretching.LIGHTEST.passes,
    "Argon2id passes, at most": stretching.HEAVIEST.passes,
    "Argon2id lanes, at least": stretching.LIGHTEST.lanes,
    "Argon2id lanes, at most": stretching.HEAVIEST.lanes,
}


def test_every_constant() -> None:
    written = {name: int(value.replace(",", "")) for name, value, _ in table("name", "value")}
    assert written == CONSTANTS


@pytest.mark.parametrize("module", [labels, vault_labels])
def test_every_number_of_the_labels_has_its_row(module: Any) -> None:
    numbers = {
        name: value // 1000 if name.endswith("_MS") else value
        for name, value in vars(module).items()
        if isinstance(value, int) and name.isupper() and name not in NOT_ON_THE_WIRE
    }
    assert numbers
    assert set(numbers.values()) <= set(CONSTANTS.values())


def test_every_delay() -> None:
    longest = msgspec.inspect.type_info(config.Seconds)
    assert isinstance(longest, msgspec.inspect.IntType)
    assert vault_requests.RETRY_AFTER == supervisor.RETRY_AFTER
    assert [numbers(row[1]) for row in table("delay", "seconds")] == [
        [vault_requests.RETRY_AFTER],
        [journal.RETRY_AFTER_STORE_ERROR],
        [longest.le],
        [exchange.TRY_S],
        [exchange.FIRST_DELAY_S, exchange.MAX_DELAY_S],
        [route.Target.__dataclass_fields__["timeout"].default],
    ]


def numbers(text: str) -> list[float]:
    """The numbers of a text that are no clauses."""
    text = re.sub(r"\(\d+\.\d+\)", "", text)
    return [float(found.replace(",", "")) for found in re.findall(r"\d[\d,.]*\d|\d", text)]


def texts(module: Any) -> dict[str, bytes]:
    found = {name: value for name, value in vars(module).items() if isinstance(value, bytes)}
    assert found
    return found


def test_the_salt_of_argon2() -> None:
    assert f"the salt {len(labels.ARGON2_SALT)} zero bytes" in PAGE
    assert bytes(len(labels.ARGON2_SALT)) == labels.ARGON2_SALT


NEVER_DERIVED: Final = {"INVITE", "KNOWN_ANSWER"}
"""Labels of a checksum (4.5, not in the table of appendix C) and of a test that keeps nothing."""
LABELS: Final = [
    *(label for name, label in texts(labels).items() if name != "ARGON2_SALT"),
    *(label for name, label in STRONGROOM_LABELS.items() if name not in NEVER_DERIVED),
]


def test_every_label() -> None:
    """Those of OPAQUE, of the seal, of the Python client's attempts, and of the vault's records."""
    assert [row[0].encode() for row in table("label", "where", "whose")] == LABELS
    assert vault_labels.INVITE.decode() in PAGE


def test_every_label_is_used_where_the_page_derives_something() -> None:
    """Section 3 and appendix C name them in quotes: those of OPAQUE and of the seal, no others."""
    derived = (
        PAGE[PAGE.index("\n## 3.") : PAGE.index("\n## 4.")]
        + PAGE[PAGE.index("\n## Appendix C.") : PAGE.index("\n## Appendix D.")]
    )
    written = {text.encode() for text in re.findall(r'"([^"\n]*)"', derived)}
    used = {row[0].encode() for row in table("label", "where", "whose") if "own" not in row[2]}
    assert written - {b"-", b""} == used


@pytest.mark.parametrize(("name", "message"), OPAQUE_MESSAGES.items())
def test_every_layout_of_opaque_is_whole(name: str, message: Message) -> None:
    layout = re.search(rf"^ {{7}}{name} +\((\d+)\)((?: .*\n)+?)(?= {{7}}\w|\n)", PAGE, re.MULTILINE)
    assert layout is not None
    size, end = int(layout[1]), 0
    for offset, length in re.findall(r"(\d+) \w+ \((\d+)\)", layout[2]):
        assert int(offset) == end
        end += int(length)
    assert end == size == len(message.encode())


def test_a_failed_envelope_is_reported_with_zeros() -> None:
    assert f"{len(recovery.ENVELOPE_DID_NOT_OPEN)} zero bytes" in PAGE
    assert bytes(len(recovery.ENVELOPE_DID_NOT_OPEN)) == recovery.ENVELOPE_DID_NOT_OPEN


def test_the_requests_of_the_client_are_the_calls() -> None:
    assert {kind.__name__ for kind in requests.Request.__subclasses__()} == set(guard.SCOPES)


def test_the_identity_vector() -> None:
    public_key = bytes.fromhex(example("identity public key"))
    assert encode_identity(public_key) == example("identity")
    assert decode_identity(example("identity")) == public_key


def test_the_sealed_key_vector() -> None:
    binding = Binding("test", "account-1", bytes.fromhex(example("key_id")))
    export_key = bytes.fromhex(example("export_key"))
    assert binding.associated_data().hex() == example("aad")
    assert expand(export_key, vault_labels.BACKUP_KEY, 32).hex() == example("key")
    assert example("sealed").startswith(example("nonce"))
    backup_key = sealed_key.unseal(export_key, bytes.fromhex(example("sealed")), binding)
    assert backup_key.hex() == example("backup key")


def test_the_backup_key_vector() -> None:
    key = BackupKey(bytes.fromhex(example("backup key")))
    assert key.digits == example("64-digit key")
    assert BackupKey.from_digits(example("64-digit key").upper()) == key
    assert key.age_identity == example("age identity")
    assert key.age_recipient == example("age recipient")


@pytest.mark.parametrize(("typed", "prepared", "_why"), table("typed", "prepared"))
def test_the_password_vectors(typed: str, prepared: str, _why: str) -> None:
    password = "".join(chr(int(point, 16)) for point in re.findall(r"U\+([0-9A-F]+)", typed))
    assert password or typed == "nothing"
    if prepared == "refused":
        with pytest.raises(PasswordRefused):
            passwords.normalise(password)
    else:
        assert passwords.normalise(password).hex() == prepared
