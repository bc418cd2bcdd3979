"""Each way to be refused ends in its own typed error, with a sentence and a hint."""

from __future__ import annotations

import json
import socket
import ssl
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from own_certificate import self_signed
from person import Device
from raw_client import Guess, raw_client

from strongroom import (
    AccessTokenExpired,
    AccessTokenInvalid,
    AccountUnknown,
    AsyncVault,
    AttemptLimitRefused,
    BackupKey,
    KeyReplaced,
    MalformedRequest,
    MessageTooLarge,
    NoKey,
    ScopeMissing,
    StrongroomError,
    UnreachableCause,
    Vault,
    VaultUnreachable,
    WrongVault,
)
from strongroom.flows import Party
from strongroom.identity import encode_identity
from strongroom.requests import (
    DeleteKey,
    FinishRecovery,
    FinishRegistration,
    GetKey,
    StartRecovery,
    StartRegistration,
)
from strongroom_protocol.convert import SUITE
from strongroom_protocol.opaque import client as opaque
from strongroom_protocol.v1 import vault_pb2, vault_pb2_grpc

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultFolder, VaultProcess

PASSWORD = "correct horse battery staple"


def refused(kind: type[StrongroomError], error: BaseException) -> None:
    assert type(error) is kind
    assert isinstance(error, StrongroomError)
    assert str(error)
    assert error.hint


def test_unknown_account(shared_vault: VaultProcess, account: str) -> None:
    with shared_vault.connect(account) as vault, pytest.raises(NoKey) as error:
        vault.recover(PASSWORD)
    refused(NoKey, error.value)


def test_replaced_key(shared_vault: VaultProcess, account: str) -> None:
    with shared_vault.connect(account) as vault, raw_client(shared_vault, account) as raw:
        vault.protect(BackupKey.generate(), PASSWORD)
        party = Party(vault.info, account)
        guess = Guess.of(PASSWORD)
        finish = guess.finish(party, raw.call(guess.call))
        vault.protect(BackupKey.generate(), PASSWORD)
        with pytest.raises(KeyReplaced) as error:
            raw.call(finish)
    refused(KeyReplaced, error.value)


def test_expired_access_token(shared_vault: VaultProcess, account: str) -> None:
    token = shared_vault.folder.access_token(account, lifetime_s=1)
    time.sleep(1.2)
    with (
        shared_vault.connect(account, access_token=token) as vault,
        pytest.raises(AccessTokenExpired) as error,
    ):
        vault.status()
    refused(AccessTokenExpired, error.value)


def test_a_token_that_was_good_expires_while_it_is_remembered(
    shared_vault: VaultProcess, account: str
) -> None:
    token = shared_vault.folder.access_token(account, lifetime_s=2)
    with shared_vault.connect(account, access_token=token) as vault:
        assert vault.status() is None
        time.sleep(2.2)
        with pytest.raises(AccessTokenExpired):
            vault.status()


@pytest.mark.parametrize("token", ["a.b.c", "x" * 4096])
def test_no_access_token(shared_vault: VaultProcess, token: str) -> None:
    with (
        Vault.connect(
            shared_vault.address,
            access_token=token,
            ca_certificates=shared_vault.folder.certificate,
            account="alice",
        ) as vault,
        pytest.raises(AccessTokenInvalid) as error,
    ):
        vault.status()
    refused(AccessTokenInvalid, error.value)


def test_a_token_for_another_vault(shared_vault: VaultProcess) -> None:
    token = shared_vault.folder.access_token(vault_id="vault.other")
    with (
        shared_vault.connect(access_token=token) as vault,
        pytest.raises(AccessTokenInvalid),
    ):
        vault.status()


@pytest.mark.parametrize(
    ("request_", "scope"),
    [
        (StartRegistration(bytes(33)), "register"),
        (FinishRegistration(b"s", bytes(129), bytes(60), 0), "register"),
        (StartRecovery(bytes(98)), "recover"),
        (FinishRecovery(b"s", bytes(32)), "recover"),
        (GetKey(), "read"),
        (DeleteKey(), "delete"),
    ],
)
def test_each_call_needs_its_scope(
    shared_vault: VaultProcess, request_: StartRecovery, scope: str
) -> None:
    others = " ".join({"register", "recover", "read", "delete"} - {scope})
    token = shared_vault.folder.access_token(scope=others)
    with raw_client(shared_vault, token=token) as raw, pytest.raises(ScopeMissing) as error:
        raw.call(request_)
    assert error.value.scope == scope
    refused(ScopeMissing, error.value)


def test_a_foreign_accounts_state(shared_vault: VaultProcess, account: str) -> None:
    with shared_vault.connect(account) as vault:
        vault.protect(BackupKey.generate(), PASSWORD)
        party = Party(vault.info, account)
    guess = Guess.of(PASSWORD)
    with raw_client(shared_vault, account) as raw:
        finish = guess.finish(party, raw.call(guess.call))
    with (
        raw_client(shared_vault, "someone else") as thief,
        pytest.raises(MalformedRequest) as error,
    ):
        thief.call(finish)
    assert error.value.field == "recovery_state"
    refused(MalformedRequest, error.value)


def good_fields() -> dict[str, bytes]:
    ke1, _ = opaque.generate_ke1(b"password")
    request, _ = opaque.create_registration_request(b"password")
    return {"ke1": ke1.encode(), "registration_request": request.encode()}


def hostile(good: bytes) -> list[bytes]:
    """Lengths, a point off the curve, the identity, a coordinate that is not reduced."""
    point = [b"\x02" + b"\xff" * 32, b"\x02" + bytes(31) + b"\x01", bytes(33), b"\x04" + good[1:33]]
    return [b"", good[:-1], good + b"\0", *(bad + good[33:] for bad in point)]


@pytest.mark.parametrize("field", ["ke1", "registration_request"])
@pytest.mark.parametrize("case", range(7))
def test_malformed(shared_vault: VaultProcess, account: str, field: str, case: int) -> None:
    value = hostile(good_fields()[field])[case]
    call = StartRecovery(value) if field == "ke1" else StartRegistration(value)
    with raw_client(shared_vault, account) as raw, pytest.raises(MalformedRequest) as error:
        raw.call(call)
    assert error.value.field == field
    refused(MalformedRequest, error.value)


@pytest.mark.parametrize("suite", [0, 2, 77])
def test_another_suite(shared_vault: VaultProcess, suite: int) -> None:
    roots = grpc.ssl_channel_credentials(shared_vault.folder.certificate.read_bytes())
    with grpc.secure_channel(shared_vault.address, roots) as channel:
        stub = vault_pb2_grpc.BackupKeyVaultStub(channel)
        with pytest.raises(grpc.RpcError) as error:
            stub.GetVault(vault_pb2.GetVaultRequest(suite=suite))  # type: ignore[arg-type]
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_oversized(shared_vault: VaultProcess, account: str) -> None:
    with raw_client(shared_vault, account) as raw, pytest.raises(MessageTooLarge) as error:
        raw.call(FinishRecovery(bytes(17_000), bytes(32)))
    refused(MessageTooLarge, error.value)


def test_vault_down() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    vault = Vault.connect(f"127.0.0.1:{port}", access_token="a", account="alice", timeout=1)
    with vault, pytest.raises(VaultUnreachable) as error:
        vault.status()
    refused(VaultUnreachable, error.value)


def test_wrong_vault_identity(shared_vault: VaultProcess, account: str) -> None:
    other = encode_identity(b"\x02" + bytes(32))
    with (
        shared_vault.connect(account, identity=other) as vault,
        pytest.raises(WrongVault) as error,
    ):
        vault.protect(BackupKey.generate(), PASSWORD)
    refused(WrongVault, error.value)
    with shared_vault.connect(account, identity=other) as vault:
        for call in (vault.status, vault.delete, lambda: vault.info, lambda: vault.identity):
            with pytest.raises(WrongVault):
                call()
    with shared_vault.connect(account) as vault:
        assert vault.status() is None


def test_a_certificate_that_is_not_trusted(shared_vault: VaultProcess, account: str) -> None:
    vault = Vault.connect(
        shared_vault.address,
        access_token=shared_vault.folder.access_token(account),
        timeout=1,
    )
    with vault, pytest.raises(VaultUnreachable) as error:
        vault.status()
    refused(VaultUnreachable, error.value)
    assert error.value.cause is UnreachableCause.CERTIFICATE_UNTRUSTED


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "grpc_proxy", "http_proxy"])
def test_a_dead_proxy_is_not_on_the_way_to_this_machine(
    shared_vault: VaultProcess, account: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    with shared_vault.connect(account, timeout=10) as vault:
        assert vault.status() is None


async def test_the_token_of_an_async_function_and_white_space_around_it(
    shared_vault: VaultProcess, account: str
) -> None:
    async def fresh() -> str:
        return f" {shared_vault.folder.access_token(account)}\r\n"

    def connect(kind: type[Any], token: Any) -> Any:
        trusted = shared_vault.folder.certificate
        return kind.connect(shared_vault.address, access_token=token, ca_certificates=trusted)

    async with connect(AsyncVault, fresh) as vault:
        with pytest.raises(AccountUnknown):
            _ = vault.account
        assert await vault.status() is None
        assert vault.account == account
    with connect(Vault, await fresh()) as vault:
        assert vault.status() is None


def test_the_command_shows_an_account_and_no_terminal_obeys_it(
    shared_vault: VaultProcess, account: str, tmp_path: Path
) -> None:
    hostile = f"{account[-60:]}\x1b]0;owned\x07\x1b[2J\u202e"
    device = Device(tmp_path / "device", shared_vault, hostile)
    shown = device.ok("status")
    assert shown.replace("\n", "").isprintable()
    assert r"\x1b]0;owned\x07" in shown


def test_a_refused_call_is_found_in_the_log_by_the_id_in_the_error(
    shared_vault: VaultProcess, account: str
) -> None:
    with shared_vault.connect(account) as vault, pytest.raises(NoKey) as no_key:
        vault.recover(PASSWORD)
    token = shared_vault.folder.access_token(account, vault_id="vault.other")
    with (
        shared_vault.connect(access_token=token) as vault,
        pytest.raises(AccessTokenInvalid) as invalid,
    ):
        vault.status()
    with raw_client(shared_vault, account) as raw, pytest.raises(NoKey) as deleted:
        raw.call(DeleteKey())
    lines = [json.loads(line) for line in shared_vault.log().splitlines()]
    for error, reason, call in (
        (deleted.value, "NO_KEY", "DeleteKey"),
        (invalid.value, "ACCESS_TOKEN_INVALID", "GetKey"),
    ):
        assert len(error.request_id) == 16
        (line,) = [line for line in lines if line.get("request_id") == error.request_id]
        assert (line["event"], line["reason"]) == ("call refused", reason)
        assert line["call"] == call
        assert account not in json.dumps(line)
    assert no_key.value.request_id == ""  # that was an answer, and no refusal
    assert invalid.value.request_id in invalid.value.hint  # whom it helps is not who gets it


@pytest.mark.parametrize("limit", [1, 2, 11, 5000])
def test_an_attempt_limit_out_of_range_is_refused(
    shared_vault: VaultProcess, account: str, limit: int
) -> None:
    with shared_vault.connect(account) as vault:
        with pytest.raises(AttemptLimitRefused) as error:
            vault.protect(BackupKey.generate(), PASSWORD, attempt_limit=limit)
        refused(AttemptLimitRefused, error.value)
        assert (error.value.minimum, error.value.maximum) == (3, 10)
        assert vault.status() is None


def test_the_vault_itself_refuses_an_attempt_limit_out_of_range(
    shared_vault: VaultProcess, account: str
) -> None:
    """A client that asks for one all the same, or was told other bounds."""
    with shared_vault.connect(account) as vault:
        info = vault.info
        vault._info = replace(info, minimum_attempt_limit=1, maximum_attempt_limit=1000)
        for limit in (2, 11):
            with pytest.raises(MalformedRequest) as error:
                vault.protect(BackupKey.generate(), PASSWORD, attempt_limit=limit)
            assert error.value.field == "attempt_limit"


@pytest.mark.parametrize(
    ("version", "accepted"),
    [(ssl.TLSVersion.TLSv1_2, False), (ssl.TLSVersion.TLSv1_3, True)],
)
def test_tls_1_3_alone(
    shared_vault: VaultProcess,
    version: ssl.TLSVersion,
    accepted: bool,  # noqa: FBT001
) -> None:
    context = ssl.create_default_context(cafile=shared_vault.folder.certificate)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("localhost", shared_vault.port), timeout=10) as plain:
        if accepted:
            with context.wrap_socket(plain, server_hostname="localhost") as wrapped:
                assert wrapped.version() == "TLSv1.3"
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(plain, server_hostname="localhost")


def test_no_plaintext(shared_vault: VaultProcess) -> None:
    with grpc.insecure_channel(shared_vault.address) as channel:
        stub = vault_pb2_grpc.BackupKeyVaultStub(channel)
        with pytest.raises(grpc.RpcError) as error:
            stub.GetVault(vault_pb2.GetVaultRequest(suite=SUITE), timeout=3)
    assert error.value.code() in {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }


def rsa_certificate() -> tuple[bytes, bytes]:
    """A self-signed certificate for localhost and its key, PEM."""
    key = rsa.generate_private_key(65537, 2048)
    certificate = self_signed(key)
    pem = serialization.Encoding.PEM
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return certificate.public_bytes(pem), key.private_bytes(pem, pkcs8, plain)


def test_an_rsa_certificate_gets_tls_1_3_alone_too(vault_folder: VaultFolder) -> None:
    certificate, key = rsa_certificate()
    vault_folder.certificate.write_bytes(certificate)
    (vault_folder.folder / "vault.key.pem").write_bytes(key)
    with vault_folder.start() as vault:
        test_tls_1_3_alone(vault, ssl.TLSVersion.TLSv1_2, accepted=False)
        test_tls_1_3_alone(vault, ssl.TLSVersion.TLSv1_3, accepted=True)
