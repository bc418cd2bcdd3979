"""The certificate that new connections get, before and after it is read again."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography import x509

from strongroom_vault.api.certificates import Certificates
from strongroom_vault.errors import OperatorError
from strongroom_vault.operator import development_ca
from strongroom_vault.settings.config import Listen

if TYPE_CHECKING:
    from pathlib import Path


def make(folder: Path) -> Listen:
    """Make a certificate and its key in a folder."""
    development_ca.create_self_signed(folder, ("localhost",))
    return Listen(
        address="localhost:0",
        certificate_file=folder / development_ca.CERTIFICATE_FILE,
        key_file=folder / development_ca.KEY_FILE,
        admin_socket=folder / "admin.sock",
    )


def certificate(listen: Listen) -> x509.Certificate:
    return x509.load_pem_x509_certificate(listen.certificate_file.read_bytes())


async def presented(port: int) -> bytes:
    """The certificate that a new connection gets, as DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return shown


async def test_new_connections_get_what_was_read_last(tmp_path: Path) -> None:
    listen = make(tmp_path)
    certificates = Certificates(listen)
    first = certificate(listen)
    assert certificates.ends_at == first.not_valid_after_utc.timestamp()
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", certificates.credentials())
    await server.start()
    try:
        assert x509.load_der_x509_certificate(await presented(port)) == first
        development_ca.create_self_signed(tmp_path)
        second = certificate(listen)
        assert second != first
        assert x509.load_der_x509_certificate(await presented(port)) == first
        assert certificates.reload() == ""
        for _ in range(2):
            assert x509.load_der_x509_certificate(await presented(port)) == second
    finally:
        await server.stop(0)


def test_what_cannot_be_used_is_refused_and_the_old_one_kept(tmp_path: Path) -> None:
    listen = make(tmp_path)
    certificates = Certificates(listen)
    ends_at = certificates.ends_at
    listen.certificate_file.write_bytes(make(tmp_path / "other").certificate_file.read_bytes())
    assert "do not belong together" in certificates.reload()
    listen.certificate_file.write_bytes(b"not PEM")
    assert "is not a certificate in PEM" in certificates.reload()
    listen.certificate_file.unlink()
    assert "does not exist" in certificates.reload()
    assert (certificates.ends_at, len(certificates._fresh)) == (ends_at, 0)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    listen = make(tmp_path)
    listen.key_file.chmod(0o644)
    with pytest.raises(OperatorError, match=r"\[listen\] key_file .* others can read"):
        Certificates(listen)
