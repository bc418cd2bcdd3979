"""The messages: strict decoders, exact lengths, nothing secret in a repr."""

from __future__ import annotations

import contextlib
import pickle
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.opaque import messages
from strongroom_protocol.opaque.errors import (
    DecodeError,
    IdentityElement,
    NonCanonicalPoint,
    PointNotOnCurve,
    TrailingBytes,
    WrongLength,
)
from strongroom_protocol.opaque.group import GENERATOR, Scalar
from strongroom_protocol.opaque.messages import (
    KE1,
    KE2,
    KE3,
    AuthRequest,
    AuthResponse,
    CredentialRequest,
    CredentialResponse,
    Envelope,
    RegistrationRecord,
    RegistrationRequest,
    RegistrationResponse,
)
from strongroom_protocol.opaque.multiplication import scalar_multiply

if TYPE_CHECKING:
    from strongroom_protocol.opaque.wire import Message

SIZES: dict[type[Message], int] = {
    RegistrationRequest: 33,
    RegistrationResponse: 66,
    Envelope: 64,
    RegistrationRecord: 129,
    CredentialRequest: 33,
    AuthRequest: 65,
    KE1: 98,
    CredentialResponse: 162,
    AuthResponse: 97,
    KE2: 259,
    KE3: 32,
}
# Where the points of each message begin.
POINTS: dict[type[Message], tuple[int, ...]] = {
    RegistrationRequest: (0,),
    RegistrationResponse: (0, 33),
    Envelope: (),
    RegistrationRecord: (0,),
    CredentialRequest: (0,),
    AuthRequest: (32,),
    KE1: (0, 65),
    CredentialResponse: (0,),
    AuthResponse: (32,),
    KE2: (0, 194),
    KE3: (),
}
CLASSES = pytest.mark.parametrize("kind", SIZES, ids=lambda kind: kind.__name__)
WITH_POINTS = pytest.mark.parametrize(
    ("kind", "offset"),
    [(kind, offset) for kind, offsets in POINTS.items() for offset in offsets],
)

ELEMENTS = st.integers(1, 2**64).map(lambda k: scalar_multiply(Scalar(k), GENERATOR).encode())


@st.composite
def encodings(draw: st.DrawFn, kind: type[Message]) -> bytes:
    """The wire form of some message: points where points belong, any bytes elsewhere."""
    data = bytearray(draw(st.binary(min_size=SIZES[kind], max_size=SIZES[kind])))
    for offset in POINTS[kind]:
        data[offset : offset + 33] = draw(ELEMENTS)
    return bytes(data)


def sample(kind: type[Message]) -> bytes:
    data = bytearray(b"\x5a" * SIZES[kind])
    for offset in POINTS[kind]:
        data[offset : offset + 33] = GENERATOR.encode()
    return bytes(data)


def test_every_message_is_here() -> None:
    defined = {name for name, value in vars(messages).items() if is_dataclass(value)}
    assert defined == {kind.__name__ for kind in SIZES}


@CLASSES
@given(data=st.data())
def test_decoder(kind: type[Message], data: st.DataObject) -> None:
    """Re-encoding gives the input, and a changed bit gives another message or an error."""
    encoded = data.draw(encodings(kind))
    message = kind.decode(encoded)
    assert message.encode() == encoded
    assert kind.decode(encoded) == message

    changed = bytearray(encoded)
    bit = data.draw(st.integers(0, len(encoded) * 8 - 1))
    changed[bit // 8] ^= 1 << bit % 8
    with contextlib.suppress(DecodeError):
        other = kind.decode(bytes(changed))
        assert other != message
        assert other.encode() == bytes(changed)


@CLASSES
@given(junk=st.binary(max_size=300))
def test_junk_is_a_decode_error_or_the_same_bytes(kind: type[Message], junk: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert kind.decode(junk).encode() == junk


@CLASSES
def test_wrong_lengths(kind: type[Message]) -> None:
    encoded = sample(kind)
    for size in range(len(encoded)):
        with pytest.raises(WrongLength) as short:
            kind.decode(encoded[:size])
        assert short.value.field.split(".")[0] == kind.__name__
    for extra in (b"\x00", b"\x5a", encoded):
        with pytest.raises(TrailingBytes) as long:
            kind.decode(encoded + extra)
        assert long.value.field == kind.__name__


@WITH_POINTS
@pytest.mark.parametrize(
    ("point", "error"),
    [
        (bytes(33), IdentityElement),
        (b"\x04" + GENERATOR.encode()[1:], NonCanonicalPoint),
        (b"\x02" + b"\xff" * 32, NonCanonicalPoint),
        (b"\x02" + (1).to_bytes(32, "big"), PointNotOnCurve),
    ],
)
def test_bad_points(
    kind: type[Message], offset: int, point: bytes, error: type[DecodeError]
) -> None:
    data = bytearray(sample(kind))
    data[offset : offset + 33] = point
    with pytest.raises(error) as raised:
        kind.decode(bytes(data))
    assert raised.value.field.startswith(f"{kind.__name__}.")


SIZED_FIELDS = [
    (Envelope, "nonce"),
    (Envelope, "auth_tag"),
    (RegistrationRecord, "masking_key"),
    (AuthRequest, "client_nonce"),
    (CredentialResponse, "masking_nonce"),
    (CredentialResponse, "masked_response"),
    (AuthResponse, "server_nonce"),
    (AuthResponse, "server_mac"),
    (KE3, "client_mac"),
]


def test_every_field_of_bytes_is_here() -> None:
    of_bytes = {
        (kind.__name__, field.name)
        for kind in SIZES
        for field in fields(cast("Any", kind))
        if field.type == "bytes"
    }
    assert of_bytes == {(kind.__name__, name) for kind, name in SIZED_FIELDS}


@pytest.mark.parametrize(("kind", "name"), SIZED_FIELDS)
def test_a_message_made_by_hand_has_its_exact_length_too(kind: type[Message], name: str) -> None:
    message: Any = kind.decode(sample(kind))
    value = getattr(message, name)
    for wrong in (value[:-1], value + b"\x00", b""):
        with pytest.raises(WrongLength, match=name):
            replace(message, **{name: wrong})


@pytest.mark.parametrize("kind", [RegistrationRecord, KE3])
def test_secret_fields_do_not_print(kind: type[Message]) -> None:
    assert "ZZZZ" in repr(Envelope.decode(sample(Envelope)))  # the sample would be seen
    assert "ZZZZ" not in repr(kind.decode(sample(kind)))


@pytest.mark.parametrize("data", [b"", sample(KE1) + b"\x00", bytes(98), b"\x04" + sample(KE1)[1:]])
def test_decode_errors_cross_a_process_boundary(data: bytes) -> None:
    with pytest.raises(DecodeError) as raised:
        KE1.decode(data)
    copy = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 -- our own bytes
    assert type(copy) is type(raised.value)
    assert (copy.field, copy.problem, str(copy)) == (
        raised.value.field,
        raised.value.problem,
        str(raised.value),
    )
