"""A client made of Meta's opaque-ke, in JavaScript, against a real vault over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from opaque_p256_peer import Peer, PeerError
from vault_process import REPOSITORY, VAULT_ID, VaultProcess

from strongroom import ActiveKey, BackupKey, WrongPassword

if TYPE_CHECKING:
    from collections.abc import Callable

PASSWORD: Final = "correct horse battery staple"
COMPOSED: Final = "bl\u00e5b\u00e6rgr\u00f8d og fl\u00f8de"
DECOMPOSED: Final = "bla\u030ab\u00e6rgr\u00f8d\u00a0og\u2003fl\u00f8de"
"""The same to a person: a ring as a mark of its own, and two of the many spaces."""


@pytest.fixture
def connect(peer: Peer, shared_vault: VaultProcess) -> Callable[..., Peer]:
    """The peer, as a client of an account; `token_of` is the account of its access token."""

    def connect(account: str, *, token_of: str | None = None, identity: str | None = None) -> Peer:
        settings = {
            "protos": str(REPOSITORY / "protos"),
            "address": shared_vault.address,
            "ca": str(shared_vault.folder.certificate),
            "token": shared_vault.folder.access_token(token_of or account),
            "account": account,
        }
        pinned = () if identity is None else (identity,)
        assert peer.call("connect", settings, *pinned) == {"vault_id": VAULT_ID}
        return peer

    return connect


@pytest.fixture
def connected(connect: Callable[..., Peer], account: str) -> Peer:
    return connect(account)


def attempts_left(vault: VaultProcess, account: str) -> int:
    with vault.connect(account) as ours:
        status = ours.status()
    assert isinstance(status, ActiveKey)
    return status.attempts_left


def test_their_client_protects_and_both_recover(
    connected: Peer, shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    assert connected.call("protect", PASSWORD, key.to_bytes().hex()) == {"attempts_left": 10}
    assert connected.call("recover", PASSWORD) == key.to_bytes().hex()
    with shared_vault.connect(account) as vault:
        assert vault.recover(PASSWORD) == key


def test_our_client_protects_and_theirs_recovers(
    connected: Peer, shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(key, PASSWORD)
        assert connected.call("recover", PASSWORD) == key.to_bytes().hex()
        with pytest.raises(WrongPassword):
            vault.recover("wrong")


def test_their_client_replaces_what_ours_protected(
    connected: Peer, shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(BackupKey.generate(), PASSWORD)
        connected.call("protect", "a new password", key.to_bytes().hex())
        with pytest.raises(WrongPassword):
            vault.recover(PASSWORD)
        assert vault.recover("a new password") == key


def test_both_clients_normalise_alike(
    connect: Callable[..., Peer], shared_vault: VaultProcess
) -> None:
    account = "Bj\u00f8rn \u4f8b"
    peer = connect(account)
    key = BackupKey.generate()
    peer.call("protect", DECOMPOSED, key.to_bytes().hex())
    assert peer.call("recover", COMPOSED) == key.to_bytes().hex()
    with shared_vault.connect(account) as vault:
        assert vault.recover(COMPOSED) == key
        assert vault.recover(DECOMPOSED) == key


def test_their_success_gives_attempts_back(
    connected: Peer, shared_vault: VaultProcess, account: str
) -> None:
    connected.call("protect", PASSWORD, bytes(32).hex())
    with pytest.raises(PeerError, match="WRONG_PASSWORD"):
        connected.call("recover", "wrong")
    assert attempts_left(shared_vault, account) == 9
    connected.call("recover", PASSWORD)
    assert attempts_left(shared_vault, account) == 10


def test_their_client_with_wrong_passwords_to_destruction(
    connected: Peer, shared_vault: VaultProcess, account: str
) -> None:
    with shared_vault.connect(account) as vault:
        vault.protect(BackupKey.generate(), PASSWORD, attempt_limit=3)
    for left in (2, 1):
        with pytest.raises(PeerError) as wrong:
            connected.call("recover", "wrong")
        assert wrong.value.reason == "WRONG_PASSWORD"
        assert wrong.value.details == {"attempts_left": str(left)}
        assert attempts_left(shared_vault, account) == left
    for password in ("wrong", PASSWORD):
        with pytest.raises(PeerError) as destroyed:
            connected.call("recover", password)
        assert destroyed.value.reason == "KEY_DESTROYED"
        assert destroyed.value.details["cause"] == "attempt_limit"


def test_nothing_to_recover(connected: Peer) -> None:
    with pytest.raises(PeerError) as absent:
        connected.call("recover", PASSWORD)
    assert absent.value.reason == "NO_KEY"


def test_the_envelope_is_bound_to_the_account(
    connect: Callable[..., Peer], shared_vault: VaultProcess, account: str
) -> None:
    with shared_vault.connect(account) as vault:
        vault.protect(BackupKey.generate(), PASSWORD)
    peer = connect("somebody else", token_of=account)
    with pytest.raises(PeerError) as refused:
        peer.call("recover", PASSWORD)
    assert refused.value.reason == "WRONG_PASSWORD"


def test_a_pinned_identity(
    connect: Callable[..., Peer], shared_vault: VaultProcess, account: str
) -> None:
    with shared_vault.connect(account) as vault:
        identity = vault.identity()
    connect(account, identity=identity)
    with pytest.raises(PeerError, match="another vault"):
        connect(account, identity=identity[:-1] + ("A" if identity[-1] != "A" else "B"))
