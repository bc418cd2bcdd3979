"""The key schedule byte by byte. Whole handshakes are compared in `test_opaque_vectors.py`."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest
from opaque_world import World

from strongroom_protocol.opaque import ake, client
from strongroom_protocol.opaque.kdf import expand, extract
from strongroom_protocol.opaque.keys import SoftwareAkeKey

if TYPE_CHECKING:
    from strongroom_protocol.opaque.group import Element

TRANSCRIPT = b"all that both have seen"


@pytest.fixture(scope="module")
def shared() -> tuple[Element, Element, Element]:
    one, two, three = (SoftwareAkeKey.derive(seed * 32).public_key for seed in (b"1", b"2", b"3"))
    return one, two, three


def test_a_derived_secret_byte_by_byte() -> None:
    info = b"\x00\x20" + b"\x10OPAQUE-ServerMAC" + b"\x04hash"
    assert ake.derive_secret(b"s" * 32, b"ServerMAC", b"hash") == expand(b"s" * 32, info, 32)


def test_the_transcript_byte_by_byte() -> None:
    ke1, _ = client.generate_ke1(b"password")
    ke2, _ = World().answer(ke1)
    keyshare = ke2.auth_response.server_public_keyshare
    written = ake.preamble(
        b"context", b"me", ke1, b"you", ke2.credential_response, b"n" * 32, keyshare
    )
    assert written == (
        b"OPAQUEv1-\x00\x07context\x00\x02me"
        + ke1.encode()
        + b"\x00\x03you"
        + ke2.credential_response.encode()
        + b"n" * 32
        + keyshare.encode()
    )


def test_each_key_has_its_label(shared: tuple[Element, Element, Element]) -> None:
    hashed = hashlib.sha256(TRANSCRIPT).digest()
    prk = extract(b"".join(point.encode() for point in shared))
    keys = ake.key_schedule(shared, TRANSCRIPT)
    assert keys.handshake_secret == ake.derive_secret(prk, b"HandshakeSecret", hashed)
    assert keys.session_key == ake.derive_secret(prk, b"SessionKey", hashed)
    assert keys.server_mac_key == ake.derive_secret(keys.handshake_secret, b"ServerMAC", b"")
    assert keys.client_mac_key == ake.derive_secret(keys.handshake_secret, b"ClientMAC", b"")


def test_the_order_of_the_three_products_matters(shared: tuple[Element, Element, Element]) -> None:
    one, two, three = shared
    orders = [(one, two, three), (two, one, three), (one, three, two)]
    assert len({ake.handshake(order, TRANSCRIPT).session_key for order in orders}) == 3


def test_the_clients_mac_covers_the_servers(shared: tuple[Element, Element, Element]) -> None:
    keys, made = ake.key_schedule(shared, TRANSCRIPT), ake.handshake(shared, TRANSCRIPT)
    hashed = hashlib.sha256(TRANSCRIPT).digest()
    assert made.server_mac == hmac.digest(keys.server_mac_key, hashed, "sha256")
    both = hashlib.sha256(TRANSCRIPT + made.server_mac).digest()
    assert made.client_mac == hmac.digest(keys.client_mac_key, both, "sha256")
    assert made.session_key == keys.session_key


def test_secrets_do_not_print(shared: tuple[Element, Element, Element]) -> None:
    keys, made = ake.key_schedule(shared, TRANSCRIPT), ake.handshake(shared, TRANSCRIPT)
    for secret in (made.session_key, made.server_mac, made.client_mac):
        assert repr(secret) not in repr(made)
    for secret in (keys.handshake_secret, keys.server_mac_key, keys.client_mac_key):
        assert repr(secret) not in repr(keys)
