"""One worker process: started, given jobs, ended; what it prints is logged."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
import structlog.testing
from pools import is_alive, open_pool, with_pin_of_its_own

from strongroom_vault.hsm import process
from strongroom_vault.hsm.jobs import Hello, ListWrapKeys, WrapKeys
from strongroom_vault.hsm.process import LINE_MAX, WorkerLost, WorkerProcess, WorkerRefused

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import SoftHsm


async def test_a_worker_answers_in_order_and_ends_with_the_pipe(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm):  # makes the keys
        pass
    worker, ready = await WorkerProcess.start(Hello(softhsm.settings(), ("a", "b", "a")))
    a, b, again = ready.secrets
    assert (a, len(a)) == (again, 32)
    assert a != b
    futures = worker.send([ListWrapKeys(), ListWrapKeys(), Hello(softhsm.settings(), ())])
    answers = [await worker.answer(future, 10) for future in futures]
    assert answers[:2] == [WrapKeys((0,)), WrapKeys((0,))]
    assert "already open" in str(answers[2])  # a second Hello opens nothing
    assert worker.calls == 4
    await worker.retire()
    assert not is_alive(worker.pid)
    with pytest.raises(WorkerLost):
        await worker.answer(worker.send([ListWrapKeys()])[0], 10)


async def test_a_wrong_pin_is_final(softhsm: SoftHsm, tmp_path: Path) -> None:
    settings, pin = with_pin_of_its_own(softhsm, tmp_path)
    pin.write_text("wrong")
    with pytest.raises(WorkerRefused, match="PIN") as refused:
        await WorkerProcess.start(Hello(settings, ()))
    assert refused.value.is_final


async def test_what_does_not_answer_hello_is_lost_and_what_it_prints_is_logged(
    softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "worker"
    script.write_text("#!/bin/sh\necho a vendor says hello\n")
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    with structlog.testing.capture_logs() as logged, pytest.raises(WorkerLost):
        await WorkerProcess.start(Hello(softhsm.settings(), ()))
    assert "a vendor says hello" in {entry.get("text") for entry in logged}


async def test_an_answer_to_something_else_than_hello_is_refused(
    softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "worker"
    script.write_text(
        f"#!{sys.executable}\nimport socket, sys\nsys.path[:0] = {sys.path!r}\n"
        "from strongroom_vault.hsm.framing import frame, receive_jobs\n"
        "from strongroom_vault.hsm.jobs import WrapKeys\n"
        "with socket.socket(fileno=int(sys.argv[-1])) as pipe:\n"
        "    receive_jobs(pipe)\n    pipe.sendall(frame(WrapKeys((0,))))\n    receive_jobs(pipe)\n"
    )
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(WorkerLost, match="did not answer Hello"):
        await WorkerProcess.start(Hello(softhsm.settings(), ()))


async def test_a_long_line_is_logged_in_parts() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"x" * (2 * LINE_MAX) + b"\nlast, without an end \xff")
    reader.feed_eof()
    with structlog.testing.capture_logs() as logged:
        await process._log_lines(reader, 7)
    texts = [entry["text"] for entry in logged]
    assert sum(text.count("x") for text in texts) == 2 * LINE_MAX
    assert max(map(len, texts)) <= 2 * LINE_MAX
    assert texts[-1] == "last, without an end \ufffd"
