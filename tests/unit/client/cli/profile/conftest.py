"""The system keyring of one test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keyring
import odd_keyrings
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Choose the system keyring."""
    before = keyring.get_keyring()
    monkeypatch.setenv("ODD_KEYRING", str(tmp_path / "keyring"))
    yield lambda name: keyring.set_keyring(getattr(odd_keyrings, name)())
    keyring.set_keyring(before)
