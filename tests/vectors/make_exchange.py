"""Makes the bytes of one whole exchange: `python tests/vectors/make_exchange.py`.

It writes `exchange.json`, the messages in hexadecimal, and appendix D of docs/protocol.md, where
they stand field by field. The OPAQUE messages are those of the last life of `opaque.json`; all
else that is random in earnest is a row of numbers here, and the states are words.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from strongroom import requests
from strongroom.sealed_key import Binding
from strongroom.wire import encode
from strongroom_protocol import labels
from strongroom_protocol.convert import SUITE
from strongroom_protocol.opaque.kdf import expand
from strongroom_protocol.opaque.ksf import RFC9106_SECOND
from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_vault.api.status import status_details
from strongroom_vault.errors import Overloaded, WrongPassword

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

FOLDER: Final = Path(__file__).parent
PAGE: Final = FOLDER.parents[1] / "docs" / "protocol.md"
BINDING: Final = Binding("test", "account-1", bytes(range(16)))
BACKUP_KEY: Final = bytes(range(0x20, 0x40))
NONCE: Final = bytes(range(0xA0, 0xAC))
REGISTRATION_STATE: Final = b"a registration state"
RECOVERY_STATE: Final = b"a recovery state"
CREATED_AT: Final = Timestamp(seconds=1_767_225_600)  # 2026-01-01
LIMIT: Final = 10

PARTS: Final = {
    "registration_request": [("blinded_message", 33)],
    "registration_response": [("evaluated_message", 33), ("server_public_key", 33)],
    "registration_record": [
        ("client_public_key", 33),
        ("masking_key", 32),
        ("envelope_nonce", 32),
        ("auth_tag", 32),
    ],
    "ke1": [("blinded_message", 33), ("client_nonce", 32), ("client_public_keyshare", 33)],
    "ke2": [
        ("evaluated_message", 33),
        ("masking_nonce", 32),
        ("masked_response", 97),
        ("server_nonce", 32),
        ("server_public_keyshare", 33),
        ("server_mac", 32),
    ],
    "ke3": [("client_mac", 32)],
    "sealed_backup_key": [("nonce", 12), ("ciphertext", 32), ("tag", 16)],
}
"""What the fields that are structures consist of, with sizes."""
WIDTH: Final = 33
"""Bytes on a line of the page."""


def exchange() -> dict[str, Message]:
    """All messages by what the page calls them, in the order in which they are sent."""
    life = json.loads((FOLDER / "opaque.json").read_text())[-1]["outputs"]
    opaque = {name: bytes.fromhex(value) for name, value in life.items()}
    identity = opaque["registration_response"][33:]
    cipher = AESGCM(expand(opaque["export_key"], labels.BACKUP_KEY, 32))
    sealed = NONCE + cipher.encrypt(NONCE, BACKUP_KEY, BINDING.associated_data())
    stretching = pb.Argon2id(
        memory_kib=RFC9106_SECOND.memory_kib,
        passes=RFC9106_SECOND.passes,
        lanes=RFC9106_SECOND.lanes,
    )
    finish = requests.FinishRegistration(
        REGISTRATION_STATE, opaque["registration_record"], sealed, attempt_limit=0
    )
    messages = [
        encode(requests.GetVault()),
        pb.GetVaultResponse(
            suite=SUITE,
            vault_id=BINDING.vault_id,
            identity_public_key=identity,
            stretching=stretching,
            attempt_limit=LIMIT,
            minimum_attempt_limit=3,
            maximum_attempt_limit=LIMIT,
        ),
        encode(requests.StartRegistration(opaque["registration_request"])),
        pb.StartRegistrationResponse(
            suite=SUITE,
            registration_response=opaque["registration_response"],
            key_id=BINDING.key_id,
            registration_state=REGISTRATION_STATE,
            stretching=stretching,
        ),
        encode(finish),
        pb.FinishRegistrationResponse(
            suite=SUITE,
            key_id=BINDING.key_id,
            attempt_limit=LIMIT,
            attempts_left=LIMIT,
            created_at=CREATED_AT,
        ),
        encode(requests.StartRecovery(opaque["KE1"])),
        pb.StartRecoveryResponse(
            suite=SUITE,
            ke2=opaque["KE2"],
            key_id=BINDING.key_id,
            recovery_state=RECOVERY_STATE,
            attempts_left=LIMIT - 1,
            stretching=stretching,
        ),
        encode(requests.FinishRecovery(RECOVERY_STATE, opaque["KE3"])),
        pb.FinishRecoveryResponse(suite=SUITE, sealed_backup_key=sealed),
        encode(requests.GetKey()),
        pb.GetKeyResponse(suite=SUITE, absent=pb.GetKeyResponse.Absent()),
    ]
    named = {type(message).__name__: message for message in messages}
    wrong = Status.FromString(status_details(WrongPassword(9)))
    busy = Status.FromString(status_details(Overloaded("too many requests at once", 1.0)))
    return named | {"Status, WRONG_PASSWORD": wrong, "Status, OVERLOADED": busy}


def lines(messages: dict[str, Message]) -> list[str]:
    """The messages as the page shows them: bytes to the left, what they are to the right."""
    found: list[str] = []
    for name, message in messages.items():
        found.append(f"    {name}, {message.ByteSize()} bytes")
        found += [f"      {data.hex():<68}{what}".rstrip() for data, what in fields(message)]
        found.append("")
    return found[:-1]


def fields(message: Message) -> Iterator[tuple[bytes, str]]:
    """The serialised message in pieces, each with the name of what it is.

    Raises:
        RuntimeError: the pieces are not what protobuf makes of the message.
    """
    pieces = [
        piece for field, value in message.ListFields() for piece in field_pieces(field, value)
    ]
    if b"".join(data for data, _ in pieces) != message.SerializeToString(deterministic=True):
        raise RuntimeError(f"{type(message).__name__} is not written in the order of its fields")
    for data, what in pieces:
        for start in range(0, max(1, len(data)), WIDTH):
            yield data[start : start + WIDTH], "" if start else what


def field_pieces(field: FieldDescriptor, value: Any) -> list[tuple[bytes, str]]:
    """One field: its key, and for what has a length that and then the content."""
    if not field.is_repeated:
        return content(field, value)
    kind: Any = field.message_type  # details and a map: both are repeated messages
    if kind.GetOptions().map_entry:
        value = [kind._concrete_class(key=key, value=value[key]) for key in sorted(value)]
    return [piece for item in value for piece in content(field, item)]


def content(field: FieldDescriptor, value: Any) -> list[tuple[bytes, str]]:
    """One value of a field."""
    if field.type in (field.TYPE_UINT32, field.TYPE_INT32, field.TYPE_INT64, field.TYPE_ENUM):
        return [(varint(field.number << 3) + varint(value), f"{field.name} = {value}")]
    if field.message_type is None:
        data = value.encode() if isinstance(value, str) else value
        inner = parts(field.name, data)
    else:
        data = value.SerializeToString(deterministic=True)
        inner = list(any_fields(value) if isinstance(value, AnyMessage) else fields(value))
    head = varint(field.number << 3 | 2) + varint(len(data))
    if len(inner) == 1 and not inner[0][1] and len(head + data) <= WIDTH:
        return [(head + data, shown(field.name, value))]
    return [(head, f"{field.name}, {len(data)} bytes"), *inner]


def any_fields(value: AnyMessage) -> Iterator[tuple[bytes, str]]:
    """An Any: its type, and what it holds."""
    kind = next(kind for kind in (ErrorInfo, RequestInfo, RetryInfo) if value.Is(kind.DESCRIPTOR))
    yield varint(1 << 3 | 2) + varint(len(value.type_url)), f"type_url: {value.type_url}"
    yield value.type_url.encode(), ""
    yield varint(2 << 3 | 2) + varint(len(value.value)), f"value, {len(value.value)} bytes"
    yield from fields(kind.FromString(value.value))


def parts(name: str, data: bytes) -> list[tuple[bytes, str]]:
    """A structure in its parts; other bytes as one, without a name."""
    found, start = [], 0
    for part, size in PARTS.get(name, [("", len(data))]):
        found.append((data[start : start + size], part))
        start += size
    return found


def shown(name: str, value: Any) -> str:
    """A field that is short, with its text where it has one."""
    text = value if isinstance(value, str) else ""
    return f'{name} = "{text}"' if text else name


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(found) + bytes([number])


def hexadecimal(messages: dict[str, Message]) -> dict[str, str]:
    """The file `exchange.json`."""
    return {
        name: message.SerializeToString(deterministic=True).hex()
        for name, message in messages.items()
    }


def main() -> None:
    """Writes the file, and the lines of the page in the place of those that are there."""
    messages = exchange()
    (FOLDER / "exchange.json").write_text(json.dumps(hexadecimal(messages), indent=2) + "\n")
    there = r"^    GetVaultRequest, 2 bytes\n.*?(?=^\S)"
    text = "\n".join(lines(messages)) + "\n\n"
    PAGE.write_text(
        re.sub(there, lambda _: text, PAGE.read_text(), count=1, flags=re.MULTILINE | re.DOTALL)
    )


if __name__ == "__main__":
    main()
