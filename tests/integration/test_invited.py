"""An invite and a command for access tokens: what `strongroom` makes of them, and keeps."""

from __future__ import annotations

import os
import shlex
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from person import PASSWORD, Device
from vault_process import VAULT_ID

from strongroom import AccessTokenExpired, AsyncVault, BackupKey, Vault, WrongVault
from strongroom.identity import decode_identity
from strongroom_protocol.invite import Invite
from strongroom_vault.operator import development_ca, invites

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultFolder, VaultProcess

# Where keys rest does not matter here: one of the two vaults will do.
one_vault = pytest.mark.parametrize("shared_vault", ["wrapped"], indirect=True)

OTHER_IDENTITY = "Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe"
BARE = dict.fromkeys(("STRONGROOM_VAULT", "STRONGROOM_CA_FILE", "STRONGROOM_ACCESS_TOKEN_FILE"), "")


def invite_to(vault: VaultProcess) -> Invite:
    with vault.connect() as known:
        identity = decode_identity(known.identity())
    return invites.invite_for(vault.folder.settings(), identity, vault.address)


def issuing(vault: VaultProcess, account: str, runs: Path) -> str:
    """A command that leaves a line in `runs` and prints an access token."""
    program = (
        f"open({str(runs)!r}, 'a').write('.')\n"
        "from pathlib import Path; from strongroom_vault.operator.issuer import issue\n"
        f"folder = Path({str(vault.folder.folder)!r})\n"
        f"print(issue(folder, {VAULT_ID!r}, {account!r}, 'register recover read delete', 600))"
    )
    return shlex.join([sys.executable, "-c", program])


def profile_of(device: Device) -> dict[str, Any]:
    return tomllib.loads((device.home / "profile.toml").read_text())


@one_vault
def test_the_invite_and_a_command_for_tokens_are_all_that_a_person_needs(
    tmp_path: Path, shared_vault: VaultProcess, account: str
) -> None:
    invite = invite_to(shared_vault).encode()
    runs = tmp_path / "runs"
    ways = ("--invite", invite, "--access-token-command", issuing(shared_vault, account, runs))
    phone = Device(tmp_path / "phone", shared_vault, account, more=BARE)
    phone.token.unlink()
    said = phone.said("enable", *ways, "--password-fd", "0", typed=PASSWORD)
    assert "First contact" not in said
    assert runs.read_text() == "."  # one token for all that one command asks
    kept = profile_of(phone)
    assert kept["vault"] == shared_vault.address
    assert (kept["ca_file"], kept["access_token_file"]) == ("", "")
    assert kept["access_token_command"] == ways[3]
    authority = (shared_vault.folder.folder / development_ca.CA_CERTIFICATE_FILE).read_text()
    assert kept["ca_certificate"] == authority
    # From now on it needs neither again.
    assert "10 of 10 attempts left" in phone.ok("status")
    (phone.folder / "chats.db").write_bytes(os.urandom(1000))
    phone.ok("backup", "chats.db")
    assert 3 <= len(runs.read_text()) <= 4
    # On a new phone the same two lead to the backup.
    new = Device(tmp_path / "new", shared_vault, account, more=BARE)
    (phone.folder / "chats.db.age").rename(new.folder / "chats.db.age")
    restored = new.run("restore", "chats.db.age", *ways, "--password-fd", "0", typed=PASSWORD)
    assert restored.returncode == 0, restored.stderr
    assert (new.folder / "chats.db").read_bytes() == (phone.folder / "chats.db").read_bytes()
    assert profile_of(new)["ca_certificate"] == authority


@one_vault
def test_what_contradicts_an_invite_is_named(
    tmp_path: Path, shared_vault: VaultProcess, account: str
) -> None:
    true = invite_to(shared_vault)
    device = Device(tmp_path / "device", shared_vault, account, more=BARE)
    token = ("--access-token-file", str(device.token))
    false_identity = Invite(
        true.address, true.vault_id, decode_identity(OTHER_IDENTITY), true.ca_fingerprint
    ).encode()
    false_authority = Invite(true.address, true.vault_id, true.identity, bytes(32)).encode()
    text = true.encode()
    cases = [
        (("--invite", text, "--vault", "other.example:1"), "--vault says other.example:1"),
        (("--vault", text), "use --invite"),
        (("--invite", false_identity), "not the vault whose identity"),
        (("--invite", false_authority), "does not have the certificate of the invite"),
        (("--invite", text, "--access-token-command", "x"), "Both a file and a command"),
    ]
    for options, sentence in cases:
        refused = device.run("status", *options, *token)
        assert refused.returncode == 1, options
        assert sentence in refused.stderr
    device.ok("status", "--invite", text, *token, "--vault", shared_vault.address.upper())
    assert not device.home.exists()  # nothing was proved, nothing is kept


@one_vault
def test_a_command_that_fails_is_said_with_its_code(
    tmp_path: Path, shared_vault: VaultProcess, account: str
) -> None:
    device = Device(tmp_path / "device", shared_vault, account)
    device.more["STRONGROOM_ACCESS_TOKEN_FILE"] = ""
    device.more["STRONGROOM_ACCESS_TOKEN_COMMAND"] = "sh -c 'echo sign in first >&2; exit 7'"
    failed = device.run("status")
    assert failed.returncode == 1
    assert failed.stderr.startswith("sign in first\n")
    assert "The command for access tokens, sh, ended with exit code 7." in failed.stderr
    device.more["STRONGROOM_ACCESS_TOKEN_COMMAND"] = "'"
    assert "cannot be read" in device.run("status").stderr


@one_vault
def test_signed_out_a_backup_is_made_all_the_same(
    tmp_path: Path, shared_vault: VaultProcess, account: str
) -> None:
    phone = Device(tmp_path / "phone", shared_vault, account)
    phone.more["STRONGROOM_ACCESS_TOKEN_FILE"] = ""
    script = phone.folder / "sign-in"
    script.write_text(f"#!/bin/sh\nexec {issuing(shared_vault, account, tmp_path / 'runs')}\n")
    script.chmod(0o700)
    phone.enable("--access-token-command", "./sign-in")
    assert profile_of(phone)["access_token_command"] == str(script)
    script.write_text("#!/bin/sh\nexit 1\n")
    (phone.folder / "chats.db").write_bytes(b"chats")
    phone.ok("backup", "chats.db")
    script.write_text(f"#!/bin/sh\nexec {issuing(shared_vault, 'bob', tmp_path / 'runs')}\n")
    another = phone.run("backup", "chats.db", "-o", "other.age")
    assert "is for the account bob" in another.stderr


class Kept:
    """Access tokens as an application keeps them: the same one until it is told."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)

    def __call__(self) -> str:
        return self._tokens[0]

    def renew(self) -> None:
        self._tokens.pop(0)


@one_vault
async def test_a_token_that_expires_is_renewed_once(
    shared_vault: VaultProcess, account: str
) -> None:
    """The vault says that it has expired, whatever the clock of this device says."""
    folder = shared_vault.folder
    old, new = folder.access_token(account, lifetime_s=-5), folder.access_token(account)
    invite = invite_to(shared_vault).encode()
    with Vault.connect(invite=invite, access_token=Kept(old, new)) as vault:
        assert vault.status() is None
    with (
        Vault.connect(invite=invite, access_token=Kept(old, old, new)) as vault,
        pytest.raises(AccessTokenExpired),
    ):
        vault.status()
    several = iter((old, old, new))  # a function that keeps none is asked again
    async with AsyncVault.connect(invite=invite, access_token=lambda: next(several)) as vault:
        assert await vault.status() is None


@one_vault
async def test_both_kinds_of_vault_take_the_invite(
    shared_vault: VaultProcess, account: str
) -> None:
    invite = invite_to(shared_vault)
    token = shared_vault.folder.access_token(account)
    key = BackupKey.generate()
    with Vault.connect(invite=invite.encode().upper(), access_token=token) as vault:
        vault.protect(key, PASSWORD)
        assert decode_identity(vault.identity()) == invite.identity
        roots = vault.ca_certificates
    async with AsyncVault.connect(invite=invite.encode(), access_token=token) as vault:
        assert await vault.recover(PASSWORD) == key
        assert vault.ca_certificates == roots
    other = Invite(invite.address, "other.vault", invite.identity, invite.ca_fingerprint)
    with (
        Vault.connect(invite=other.encode(), access_token=token) as vault,
        pytest.raises(WrongVault),
    ):
        vault.recover(PASSWORD)


def test_a_public_authority_needs_nothing_in_the_invite(
    vault_folder: VaultFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Public is what gRPC trusts: here, for once, this vault's own authority."""
    roots = vault_folder.folder / development_ca.CA_CERTIFICATE_FILE
    environment = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(roots)}
    monkeypatch.setenv(*next(iter(environment.items())))
    with vault_folder.start() as vault:
        invited = vault_folder.operator("invite", "--address", vault.address)
        assert "none: a public authority" in invited.stderr
        invite = invited.stdout.strip()
        assert Invite.decode(invite).ca_fingerprint == b""
        device = Device(tmp_path / "phone", vault, "alice", more={**BARE, **environment})
        token = str(device.token)
        device.enable("--invite", invite, "--access-token-file", token)
        assert profile_of(device)["ca_certificate"] == ""
        assert "10 of 10" in device.ok("status")
