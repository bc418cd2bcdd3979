"""The certificate for development, and what a renewal must not change."""

from __future__ import annotations

import datetime as dt
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from own_certificate import self_signed

from strongroom_vault.errors import OperatorError
from strongroom_vault.operator import development_ca as ca

if TYPE_CHECKING:
    from pathlib import Path


def chain(folder: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((folder / ca.CERTIFICATE_FILE).read_bytes())


def names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in found.value]


def test_the_vaults_certificate_is_signed_by_its_own_authority(tmp_path: Path) -> None:
    ca.create_self_signed(tmp_path / "new", ("vault.example", "10.0.0.1"))
    leaf, authority = chain(tmp_path / "new")
    leaf.verify_directly_issued_by(authority)
    assert names(leaf) == ["vault.example", "10.0.0.1"]
    limits = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (limits.ca, limits.path_length) == (True, 0)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    now = dt.datetime.now(dt.UTC)
    assert leaf.not_valid_before_utc < now < leaf.not_valid_after_utc <= now + ca.LIFETIME
    for name in (ca.KEY_FILE, ca.CA_KEY_FILE):
        assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o600


def test_a_renewal_keeps_key_names_and_authority(tmp_path: Path) -> None:
    ca.create_self_signed(tmp_path, ("vault.example",))
    keys = {path: path.read_bytes() for path in tmp_path.glob("*.key.pem")}
    before, authority = chain(tmp_path)
    ca.create_self_signed(tmp_path)
    after, same = chain(tmp_path)
    assert after.serial_number != before.serial_number
    assert (names(after), same) == (["vault.example"], authority)
    assert {path: path.read_bytes() for path in keys} == keys


def test_by_itself_it_is_for_this_machine(tmp_path: Path) -> None:
    ca.create_self_signed(tmp_path)
    assert names(chain(tmp_path)[0]) == ["localhost", "127.0.0.1", "::1"]


def test_an_operators_own_certificate_is_not_replaced(tmp_path: Path) -> None:
    own = self_signed(ec.generate_private_key(ec.SECP256R1()))
    pem = own.public_bytes(serialization.Encoding.PEM)
    (tmp_path / ca.CERTIFICATE_FILE).write_bytes(pem)
    for _ in range(2):
        with pytest.raises(OperatorError, match="was not made here: it is not replaced"):
            ca.create_self_signed(tmp_path)
    assert (tmp_path / ca.CERTIFICATE_FILE).read_bytes() == pem


def test_what_is_no_certificate_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ca.CERTIFICATE_FILE).write_text("a poem")
    with pytest.raises(OperatorError, match="is not a certificate"):
        ca.create_self_signed(tmp_path)
    with pytest.raises(OperatorError, match="cannot make a certificate in"):
        ca.create_self_signed(tmp_path / ca.CERTIFICATE_FILE / "below")
