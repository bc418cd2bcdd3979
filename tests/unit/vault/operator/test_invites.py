"""What the vault puts into an invite, and when it refuses to make one that nobody could use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from own_certificate import self_signed
from vault_process import SoftHsm, prepare_vault

from strongroom_vault.errors import OperatorError
from strongroom_vault.operator import development_ca, invites

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultFolder

IDENTITY = b"\x03" + b"i" * 32


@pytest.fixture
def prepared(tmp_path: Path) -> VaultFolder:
    """Settings and certificate of a vault whose token is not looked at."""
    softhsm = SoftHsm(tmp_path / "token", "/no/module", "label")
    return prepare_vault(tmp_path, softhsm, listen={"address": "localhost:7443"})


def certificates(folder: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((folder / development_ca.CERTIFICATE_FILE).read_bytes())


def with_listen(prepared: VaultFolder, **listen: Any) -> VaultFolder:
    folder = prepared.folder / "another"
    tables = {"address": "localhost:7443", **listen}
    return prepare_vault(folder, prepared.softhsm, listen=tables)


def test_the_fingerprint_is_the_authoritys_and_outlives_a_renewal(prepared: VaultFolder) -> None:
    leaf, authority = certificates(prepared.folder)
    made = invites.invite_for(prepared.settings(), IDENTITY)
    assert made.address == "localhost:7443"
    assert made.vault_id == "vault.test"
    assert made.identity == IDENTITY
    assert made.ca_fingerprint == authority.fingerprint(hashes.SHA256())
    development_ca.create_self_signed(prepared.folder)
    renewed, same = certificates(prepared.folder)
    assert renewed != leaf
    assert same == authority
    names = x509.SubjectAlternativeName
    assert renewed.extensions.get_extension_for_class(names) == (
        leaf.extensions.get_extension_for_class(names)
    )
    assert invites.invite_for(prepared.settings(), IDENTITY) == made


def test_a_public_authority_needs_no_fingerprint(
    prepared: VaultFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = prepared.folder / development_ca.CA_CERTIFICATE_FILE
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(roots))
    assert invites.invite_for(prepared.settings(), IDENTITY).ca_fingerprint == b""
    leaf = certificates(prepared.folder)[0]
    prepared.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    assert invites.invite_for(prepared.settings(), IDENTITY).ca_fingerprint == b""


def test_an_authority_that_is_not_in_the_chain_cannot_be_invited_to(prepared: VaultFolder) -> None:
    leaf = certificates(prepared.folder)[0]
    prepared.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    with pytest.raises(OperatorError, match="append the authority's certificate"):
        invites.invite_for(prepared.settings(), IDENTITY)


def test_grpcs_own_roots_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    assert len(invites.public_roots()) > 50


@pytest.mark.parametrize(
    ("listen", "address", "sentence"),
    [
        ({}, "other.example:7443", "not for other.example"),
        ({"address": "[::]:7443"}, None, "name the one that clients call"),
        ({"address": "0.0.0.0:7443"}, None, "name the one that clients call"),
        ({"address": "localhost:0"}, None, "not the address"),
        ({"public_address": "https://localhost"}, None, "not the address|settings"),
        ({}, "local\x1bhost:1", "not the address"),
        ({"public_address": "other.example:7443"}, None, "not for other.example"),
    ],
)
def test_an_invite_that_nobody_could_use_is_not_made(
    prepared: VaultFolder, listen: dict[str, str], address: str | None, sentence: str
) -> None:
    vault = with_listen(prepared, **listen)
    with pytest.raises(OperatorError, match=sentence):
        invites.invite_for(vault.settings(), IDENTITY, address)


def test_the_public_address_is_what_clients_call(prepared: VaultFolder) -> None:
    vault = with_listen(prepared, address="0.0.0.0:1", public_address="LOCALHOST:7443")
    assert invites.invite_for(vault.settings(), IDENTITY).address == "localhost:7443"
    assert invites.invite_for(vault.settings(), IDENTITY, "127.0.0.1:1").address == "127.0.0.1:1"


@pytest.mark.parametrize(
    ("host", "is_for"),
    [
        ("vault.example", True),
        ("a.wild.example", True),
        ("b.a.wild.example", False),
        ("wild.example", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("::1", True),
        ("example", False),
    ],
)
def test_whom_a_certificate_names(tmp_path: Path, host: str, *, is_for: bool) -> None:
    names = ("vault.example", "*.wild.example", "192.0.2.7", "::1")
    development_ca.create_self_signed(tmp_path, names)
    assert invites.is_for(certificates(tmp_path)[0], host) is is_for


def test_a_certificate_that_was_not_made_here_is_not_replaced(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    development_ca.create_self_signed(own, ("localhost",))
    development_ca.create_self_signed(other, ("localhost",))
    for name in (development_ca.CERTIFICATE_FILE, development_ca.KEY_FILE):
        (own / name).write_bytes((other / name).read_bytes())
    with pytest.raises(OperatorError, match="was not made here"):
        development_ca.create_self_signed(own)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / development_ca.CERTIFICATE_FILE).write_bytes(
        (other / development_ca.CERTIFICATE_FILE).read_bytes()
    )
    with pytest.raises(OperatorError, match="was not made here"):
        development_ca.create_self_signed(alone)
    assert [path.name for path in alone.iterdir()] == [development_ca.CERTIFICATE_FILE]


def test_a_self_signed_certificate_of_an_operators_own_is_its_own_authority(
    prepared: VaultFolder,
) -> None:
    """As `openssl req -x509` makes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = self_signed(key)
    prepared.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made = invites.invite_for(prepared.settings(), IDENTITY)
    assert made.ca_fingerprint == certificate.fingerprint(hashes.SHA256())
