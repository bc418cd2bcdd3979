"""The line that a person sees while a password is stretched."""

from __future__ import annotations

import queue
import sys
import time

import pytest

from strongroom import UnreachableCause, VaultUnreachable
from strongroom.cli import progress
from strongroom.cli.progress import Patience
from strongroom.stretching import HEAVIEST
from strongroom_protocol.opaque.ksf import RFC9106_SECOND, Argon2id


def test_the_usual_stretching_is_not_worth_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.while_stretching(RFC9106_SECOND):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_heavy_one_is_said_with_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.while_stretching(HEAVIEST):
        said = capsys.readouterr()
        assert said.out == ""
        assert "1024 MiB, 16 times over" in said.err
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_the_seconds_are_counted_and_taken_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PERIOD_S", 0.01)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.while_stretching(Argon2id(1024 * 1024, 3, 4)):
        time.sleep(0.2)
    lines = capsys.readouterr().err
    assert "\r  0 s " in lines
    assert lines.endswith("\r\x1b[K")


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody reads what is said, and soon loses patience."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "SILENCE_S", 0.05)


def test_a_script_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SILENCE_S", 0.0)
    patience = Patience(pytest.fail, "vault.example:7443")
    patience.retrying(VaultUnreachable())
    with patience:
        assert patience._timer is None


@pytest.mark.usefixtures("on_a_terminal")
def test_the_reason_is_told_once() -> None:
    said: list[str] = []
    patience = Patience(said.append, "vault.example:7443")
    patience.retrying(VaultUnreachable())
    patience.retrying(VaultUnreachable())
    assert said == [f"{VaultUnreachable()} {progress.TRYING}"]
    with patience:
        assert patience._timer is None  # it is known already that there is no answer


@pytest.mark.usefixtures("on_a_terminal")
def test_silence_is_told_once_and_the_reason_after_it() -> None:
    said: queue.Queue[str] = queue.Queue()
    patience = Patience(said.put, "vault.example:7443")
    for _ in range(2):
        with patience:
            if patience._timer is not None:
                patience._timer.join()
    assert said.get_nowait().startswith("The vault at vault.example:7443 has not answered yet.")
    patience.retrying(VaultUnreachable())  # it says no more than that
    assert said.empty()
    refused = VaultUnreachable("It refuses the connection.")
    refused.cause = UnreachableCause.REFUSED
    patience.retrying(refused)
    assert said.get_nowait() == f"{refused} {progress.TRYING}"
    patience.retrying(refused)
    assert said.empty()


@pytest.mark.usefixtures("on_a_terminal")
def test_an_answer_and_the_work_of_this_device_are_no_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "SILENCE_S", 300.0)
    patience = Patience(pytest.fail, "vault.example:7443")
    with patience:
        before = patience._timer
        with patience.stretching(RFC9106_SECOND):
            assert before is not None
            before.join()  # it is cancelled
        after = patience._timer
        assert after is not None
        assert after.is_alive()
    after.join()
