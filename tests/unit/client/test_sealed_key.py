"""A sealed backup key opens for its own export key, vault, account and registration, else never."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import VaultProtocolError
from strongroom.sealed_key import Binding, seal, unseal
from strongroom_protocol.opaque.kdf import expand

EXPORT_KEY, BACKUP_KEY = bytes(range(32)), b"b" * 32
BINDING = Binding("vault.test", "alice", b"i" * 16)
TEXT = st.text(max_size=30)


def test_it_is_sealed_byte_by_byte_as_the_protocol_says() -> None:
    sealed = seal(EXPORT_KEY, BACKUP_KEY, BINDING)
    assert len(sealed) == 60
    data = b"strongroom/v1 sealed backup key\x00\x0avault.test\x00\x05alice" + b"i" * 16
    key = expand(EXPORT_KEY, b"strongroom/v1 backup key", 32)
    assert AESGCM(key).decrypt(sealed[:12], sealed[12:], data) == BACKUP_KEY
    assert unseal(EXPORT_KEY, sealed, BINDING) == BACKUP_KEY


def test_no_two_seals_are_the_same() -> None:
    assert len({seal(EXPORT_KEY, BACKUP_KEY, BINDING)[:12] for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "other",
    [
        replace(BINDING, vault_id="vault.tesu"),
        replace(BINDING, account="alicf"),
        replace(BINDING, key_id=b"j" * 16),
        Binding("vault.testa", "lice", b"i" * 16),
        Binding("alice", "vault.test", b"i" * 16),
    ],
)
def test_it_opens_for_nobody_else(other: Binding) -> None:
    sealed = seal(EXPORT_KEY, BACKUP_KEY, BINDING)
    with pytest.raises(VaultProtocolError, match="another sealed key"):
        unseal(EXPORT_KEY, sealed, other)


def test_it_opens_with_no_other_export_key() -> None:
    with pytest.raises(VaultProtocolError):
        unseal(EXPORT_KEY[::-1], seal(EXPORT_KEY, BACKUP_KEY, BINDING), BINDING)


@pytest.mark.parametrize("position", [0, 11, 12, 43, 44, 59])
def test_any_changed_byte_is_noticed(position: int) -> None:
    sealed = bytearray(seal(EXPORT_KEY, BACKUP_KEY, BINDING))
    sealed[position] ^= 1
    with pytest.raises(VaultProtocolError):
        unseal(EXPORT_KEY, bytes(sealed), BINDING)


@given(st.tuples(TEXT, TEXT), st.tuples(TEXT, TEXT))
def test_two_bindings_never_have_the_same_data(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    first, second = Binding(*one, b"i" * 16), Binding(*other, b"i" * 16)
    assert (first.associated_data() == second.associated_data()) == (first == second)
