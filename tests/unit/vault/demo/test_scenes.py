"""The demo's story; `tests/integration/test_demo.py` plays it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from strongroom_vault.demo import scenes
from strongroom_vault.demo.people import Device
from strongroom_vault.demo.programs import ATTEMPTS, NotAsItShouldBe
from strongroom_vault.demo.throwaway import ThrowAwayVault
from strongroom_vault.operator import issuer

if TYPE_CHECKING:
    from pathlib import Path


def test_a_device_is_as_its_owner_left_it(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    issuer.create_issuer(tmp_path / "vault")
    story = scenes.Story(tmp_path, ThrowAwayVault(tmp_path / "vault", "strongroom1abc"))
    signed_in = story.signed_in("phone")
    assert signed_in.environment["STRONGROOM_INVITE"] == "strongroom1abc"
    assert (tmp_path / "phone" / "access-token").is_file()
    assert story.device("phone").folder == signed_in.folder
    assert "STRONGROOM_INVITE" not in story.device("phone").environment


def test_the_thief_searches_for_the_key_itself() -> None:
    key = os.urandom(32)
    typed = " ".join(f"{key.hex()}12"[at : at + 4] for at in range(0, 66, 4))
    wanted = scenes._worth_stealing(typed)
    assert wanted["her backup key"] == key
    assert wanted["her password"] == scenes.PASSWORD.encode()
    assert len(set(wanted.values())) == 4


def test_the_thief_has_a_guess_for_each_attempt() -> None:
    assert len(scenes.GUESSES) == ATTEMPTS
    assert scenes.PASSWORD not in (*scenes.GUESSES, scenes.MISTYPED)


def test_a_file_of_another_size_ends_the_demo(tmp_path: Path) -> None:
    device = Device.at(tmp_path / "phone")
    (device.folder / "chats.db").write_bytes(b"short")
    with pytest.raises(NotAsItShouldBe, match="another size"):
        scenes._compare(device)


def test_a_file_of_the_same_size_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenes, "FILE_SIZE", 5)
    device = Device.at(tmp_path / "phone")
    (tmp_path / "original").mkdir()
    (tmp_path / "original" / "chats.db").write_bytes(b"chats")
    (device.folder / "chats.db").write_bytes(b"chats")
    scenes._compare(device)
    (device.folder / "chats.db").write_bytes(b"chatz")
    with pytest.raises(NotAsItShouldBe):
        scenes._compare(device)
