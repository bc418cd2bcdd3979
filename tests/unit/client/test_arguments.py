"""An argument of another type is refused at once, by its name, in every public function."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strongroom import Argon2id, AsyncVault, BackupKey, Stretching, Vault
from strongroom.arguments import check_file, check_types

TOKEN = "e30.e30.c2ln"
PASSWORD = "correct horse battery staple"
KEY = BackupKey(bytes(32))
CONNECT: dict[str, tuple[Any, ...]] = {
    "address": (5, b"localhost:1", Path("vault")),
    "access_token": (None, 5, TOKEN.encode(), [TOKEN]),
    "invite": (b"", 5, Path("invite")),
    "identity": (5, b"A" * 44),
    "vault_id": (5, b"vault.test"),
    "ca_certificates": (5, ["ca.pem"], io.BytesIO()),
    "account": (5, b"alice"),
    "timeout": ("5", None, True),
    "pending": (5, "seed", object()),
    "stretching": (5, Argon2id(65536, 3, 4)),
    "retrying": (5, "say"),
}
PROTECT: dict[str, tuple[Any, ...]] = {
    "key": (None, "0" * 64, bytes(32)),
    "password": (None, PASSWORD.encode(), 5),
    "attempt_limit": ("5", 5.0, True),
    "before_commit": (5, "keep"),
    "replace": (None, 0, "no"),
}


def refused(name: str, call: Callable[[], object], value: object) -> None:
    """The argument and the type are named, and the value, which may be secret, is not."""
    with pytest.raises(TypeError) as error:
        call()
    said = str(error.value)
    assert said.startswith(f"{name} must be ")
    assert said.endswith(f", not {type(value).__name__}")


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in CONNECT.items() for value in values]
)
def test_connect(name: str, value: Any) -> None:
    for kind in (Vault, AsyncVault):
        given: dict[str, Any] = {"address": "localhost:1", "access_token": TOKEN, name: value}
        refused(name, lambda: kind.connect(**given), value)  # noqa: B023


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in PROTECT.items() for value in values]
)
async def test_what_would_use_an_attempt_or_replace_a_key(name: str, value: Any) -> None:
    given = {"key": KEY, "password": PASSWORD, name: value}
    with Vault.connect("localhost:1", access_token=TOKEN, timeout=0.3) as vault:
        refused(name, lambda: vault.protect(**given), value)
        if name == "password":
            refused(name, lambda: vault.recover(value), value)
        if name in {"password", "key"} and value is not None:
            refused(name, lambda: vault.rehearse(given["password"], given["key"]), value)
    async with AsyncVault.connect("localhost:1", access_token=TOKEN, timeout=0.3) as other:
        with pytest.raises(TypeError, match=f"^{name} must be"):
            await other.protect(**given)
        if name == "password":
            with pytest.raises(TypeError, match=r"^password must be str"):
                await other.recover(value)


def test_a_key_and_its_files(tmp_path: Path) -> None:
    source, target = tmp_path / "chats.db", tmp_path / "chats.db.age"
    source.write_bytes(b"all my chats")
    refused("secret", lambda: BackupKey("a" * 32), "")  # type: ignore[arg-type]
    refused("text", lambda: BackupKey.from_digits(b"0" * 64), b"")  # type: ignore[arg-type]
    for value in (None, 5, source.open):
        bad: Any = value
        for call in (KEY.encrypt_file, KEY.decrypt_file):
            refused("source", lambda: call(bad, target), value)  # noqa: B023
            refused("target", lambda: call(source, bad), value)  # noqa: B023
    for call in (KEY.encrypt_file, KEY.decrypt_file):
        refused("progress", lambda: call(source, target, 5), 5)  # type: ignore[arg-type]  # noqa: B023
    refused("replace", lambda: KEY.encrypt_file(source, target, replace=1), 1)  # type: ignore[arg-type]
    assert not target.exists()
    text, data = io.StringIO(), io.BytesIO()
    for stranger in (None, str(source), source, text):
        other: Any = stranger
        for stream in (KEY.encrypt, KEY.decrypt):
            refused("reader", lambda: stream(other, data), stranger)  # noqa: B023
            refused("writer", lambda: stream(data, other), stranger)  # noqa: B023
    KEY.encrypt_file(str(source), target)
    KEY.decrypt_file(target, str(tmp_path / "again"))


def test_what_an_application_says_of_stretching() -> None:
    refused("heaviest", lambda: Stretching(65536), 5)  # type: ignore[arg-type]
    refused("watch", lambda: Stretching(watch=5), 5)  # type: ignore[arg-type]
    heavy: Any = Argon2id("65536", 3, 4)  # type: ignore[arg-type]
    refused("memory_kib", lambda: Stretching(heavy), "")


def test_the_types_are_named_as_a_person_writes_them() -> None:
    with pytest.raises(TypeError, match=r"^limit must be int or None, not bool$"):
        check_types(password=("", str), limit=(True, int, None))
    with pytest.raises(TypeError, match=r"^watch must be a function, not str$"):
        check_types(watch=("", Callable))
    check_types(limit=(None, int, None), is_new=(True, bool), watch=(print, Callable))
    with pytest.raises(TypeError, match=r"^reader must be an open file of bytes, not StringIO$"):
        check_file("reader", io.StringIO(), "read")
