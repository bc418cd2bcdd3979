"""Nothing secret where it does not belong.

Covered: the vault's log, its database and every file beside it, arguments and environment of all
its processes, what the client's errors and reprs show.
Not covered: memory, which Python cannot wipe.
"""

from __future__ import annotations

import os
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from strongroom import BackupKey, WrongPassword, sealed_key

if TYPE_CHECKING:
    from vault_process import VaultFolder

PASSWORD = "Unmistakable-Password-4711"
WRONG_PASSWORD = "Unmistakable-Mistake-0815"
ACCOUNT = "unmistakable.account@example"


def spellings(*secrets: bytes) -> set[bytes]:
    """How secrets would look in a file."""
    return {
        spelling
        for secret in secrets
        for spelling in (
            secret,
            secret.hex().encode(),
            secret.hex().upper().encode(),
            b64encode(secret).rstrip(b"="),
            urlsafe_b64encode(secret).rstrip(b"="),
            repr(secret)[2:-1].encode(),
        )
    }


def test_nothing_secret_is_left_behind(
    vault_folder: VaultFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_keys: list[bytes] = []
    seal = sealed_key.seal

    def remembering_seal(
        export_key: bytes, backup_key: bytes, binding: sealed_key.Binding
    ) -> bytes:
        export_keys.append(export_key)
        return seal(export_key, backup_key, binding)

    monkeypatch.setattr(sealed_key, "seal", remembering_seal)
    key = BackupKey.generate()
    with vault_folder.start() as vault:
        token = vault_folder.access_token(ACCOUNT)
        with vault.connect(ACCOUNT, access_token=token) as client:
            client.protect(key, PASSWORD)
            with pytest.raises(WrongPassword) as wrong:
                client.recover(WRONG_PASSWORD)
            client.recover(PASSWORD)
            shown = f"{wrong.value!r} {wrong.value} {key!r} {client!r} {vars(client)!r}"
        processes = vault.process.pid, *vault.workers()
        assert len(processes) >= 3
        arguments = b"".join(
            proc_file(process, name) for process in processes for name in ("cmdline", "environ")
        )
        written = files(vault_folder.folder)
        assert vault.stop() == 0
    written += files(vault_folder.folder)
    pin = vault_folder.softhsm.pin_file.read_bytes()
    assert len(export_keys) == 1
    assert len(pin) == 32
    secrets = (key.to_bytes(), export_keys[0], pin, token.encode(), key.digits.encode())
    texts = (PASSWORD.encode(), WRONG_PASSWORD.encode(), ACCOUNT.encode())
    for spelling in spellings(*secrets, *texts):
        assert spelling not in written
        assert spelling not in arguments
    for spelling in spellings(*secrets):
        assert spelling.decode("latin-1") not in shown
    assert PASSWORD not in shown


def proc_file(process: int, name: str) -> bytes:
    """What the system tells about a process: to root all, to the vault's own user no secret."""
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except PermissionError:
        assert (os.geteuid() != 0, name) == (True, "environ")
        return b""


def files(folder: Path) -> bytes:
    """All that the vault has written: database, its log files, logs."""
    names = sorted(path for path in folder.iterdir() if path.is_file())
    assert any(path.name == "vault.db" for path in names)
    return b"".join(path.read_bytes() for path in names if "issuer" not in path.name)
