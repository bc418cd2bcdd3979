"""A device with a home of its own, and a vault in memory that it reaches over gRPC and TLS."""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from copy import copy
from typing import TYPE_CHECKING, Any

import lying_vault
import pytest
from served_vault import ServedVault

from strongroom.cli.commands import cli
from strongroom.cli.device import Device
from strongroom.cli.options import VaultOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lying_vault import LyingVault


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedVault]:
    """A vault in memory that knows one account, and has no key until one is protected."""
    with ServedVault(tmp_path) as vault:
        yield vault


@pytest.fixture
def token_of(tmp_path: Path) -> Callable[[str], str]:
    """Makes a file with the access token of an account."""

    def write(account: str) -> str:
        claims = urlsafe_b64encode(json.dumps({"sub": account}).encode()).decode().rstrip("=")
        path = tmp_path / f"token-of-{account}"
        path.write_text(f"e30.{claims}.e30\n")
        return str(path)

    return write


@pytest.fixture
def device_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Device]:
    """Reads the device's home anew, with these options."""
    monkeypatch.setenv("STRONGROOM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)

    def read(**options: Any) -> Device:
        none = dict.fromkeys(VaultOptions.__annotations__)
        return Device.of(VaultOptions(**{**none, "key_store": "file", **options}))  # type: ignore[typeddict-item]

    return read


@pytest.fixture
def at_served(
    served: ServedVault, device_of: Callable[..., Device], token_of: Callable[[str], str]
) -> Callable[..., Device]:
    """Reads the home of a device of Alice's that is told where the vault in memory is."""

    def read(**options: Any) -> Device:
        known = {
            "vault": served.address,
            "ca_file": str(served.certificate),
            "access_token_file": token_of("alice"),
        }
        return device_of(**{**known, **options})

    return read


@pytest.fixture(scope="session")
def once_protected() -> LyingVault:
    """A vault with Alice's key, protected once: that takes most of the time of a test."""
    return lying_vault.protected()


@pytest.fixture
def protected(served: ServedVault, once_protected: LyingVault) -> ServedVault:
    """The vault in memory when it has Alice's key `lying_vault.KEY`, under `PASSWORD` there."""
    served.vault = copy(once_protected)
    served.vault.asked, served.vault.stands_in = [], {}
    return served


@pytest.fixture
def run(
    at_served: Callable[..., Device],
    served: ServedVault,
    monkeypatch: pytest.MonkeyPatch,
    token_of: Callable[[str], str],
    tmp_path: Path,
) -> Callable[..., None]:
    """Runs the command on Alice's device, without a terminal; errors are raised.

    What is `typed` comes through the descriptor that the arguments call FD.
    """
    at_served()  # names the home
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRONGROOM_VAULT", served.address)
    monkeypatch.setenv("STRONGROOM_CA_FILE", str(served.certificate))
    monkeypatch.setenv("STRONGROOM_ACCESS_TOKEN_FILE", token_of("alice"))
    monkeypatch.setenv("STRONGROOM_KEY_STORE", "file")

    def call(*arguments: str, typed: str = "") -> None:
        reading, writing = os.pipe()
        os.set_inheritable(reading, True)  # noqa: FBT003 -- as a shell hands it on
        os.write(writing, typed.encode())
        os.close(writing)
        try:
            words = [str(reading) if word == "FD" else word for word in arguments]
            cli.main(words, prog_name="strongroom", standalone_mode=False)
        finally:
            os.close(reading)

    return call
