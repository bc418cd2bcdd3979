"""Work with a token in a process of its own: SoftHSM reads its settings once for each process.

A function of a test file is named by file and name, because a test file is no importable module.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
from typing import TYPE_CHECKING, Any, TypeAlias

from nss import NssToken, pretend_not_root

from strongroom_vault.hsm.token.open_token import open_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from vault_process import SoftHsm

    from strongroom_vault.settings.token_settings import TokenSettings

TIMEOUT = 120

AnyToken: TypeAlias = "SoftHsm | NssToken"


def start_child(token: AnyToken, work: Callable[..., object], *arguments: object) -> SpawnProcess:
    """Start `work(session, *arguments)` in a child with an open session."""
    process = multiprocessing.get_context("spawn").Process(
        target=_open_and_work, args=(*_place(token, work), arguments)
    )
    process.start()
    return process


def in_child(token: AnyToken, work: Callable[..., object], *arguments: object) -> Any:
    """Return what `work(session, *arguments)` returns in a child; its failure fails the test."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_answer, args=(theirs, *_place(token, work), arguments)
    )
    process.start()
    theirs.close()
    try:
        assert ours.poll(TIMEOUT), f"{work.__name__} took too long"
        return ours.recv()
    except EOFError:
        raise AssertionError(f"{work.__name__} failed in its child, see stderr") from None
    finally:
        ours.close()
        process.join(TIMEOUT)
        assert process.exitcode == 0


def _place(
    token: AnyToken, work: Callable[..., object]
) -> tuple[dict[str, str], TokenSettings, str, str]:
    return token.environment, token.settings(), work.__code__.co_filename, work.__name__


def _answer(answer: Connection, *arguments: Any) -> None:
    answer.send(_open_and_work(*arguments))


def _open_and_work(
    environment: dict[str, str],
    settings: TokenSettings,
    path: str,
    name: str,
    arguments: tuple[object, ...],
) -> object:
    os.environ.update(environment)
    if "XDG_CONFIG_HOME" in environment:
        pretend_not_root()
    work = runpy.run_path(path)[name]
    with open_session(settings) as session:
        return work(session, *arguments)
