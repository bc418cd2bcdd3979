"""A device with a home of its own, and a vault in memory that it reaches over gRPC and TLS."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from served_vault import ServedVault

from strongroom.cli.device import Device
from strongroom.cli.options import VaultOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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
