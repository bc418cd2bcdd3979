"""A token worker: a process with one PKCS#11 session that does one job at a time.

Started by the supervisor as `python -m strongroom_vault.hsm.token.worker FD`, with one end of a
socket pair as descriptor FD. The PKCS#11 module and the PIN are known here and nowhere else. The
worker ends when the pipe is closed. The vault logs what it or the module prints.
"""

from __future__ import annotations

import signal
import sys
from socket import socket
from typing import TYPE_CHECKING

from strongroom_protocol.opaque.errors import OpaqueError
from strongroom_vault.errors import OperatorError, WrongPin
from strongroom_vault.hsm.framing import frame, receive_jobs
from strongroom_vault.hsm.jobs import Failed, Hello, Ready
from strongroom_vault.hsm.token import handlers
from strongroom_vault.hsm.token.errors import KeyNotFound, TokenError
from strongroom_vault.hsm.token.open_token import OpenToken, open_token
from strongroom_vault.hsm.token.self_test import check_keys
from strongroom_vault.platform import uncaught
from strongroom_vault.platform.gc import tune_gc
from strongroom_vault.platform.hardening import harden

if TYPE_CHECKING:
    from strongroom_vault.hsm.jobs import AnyAnswer, AnyJob


def main(descriptor: int) -> None:
    """Serve the pipe until it is closed."""
    uncaught.report_to(_report_uncaught)
    # 1. Harden the process before the PIN is read: a core dump would hold it.
    harden()
    # 2. Ignore Ctrl-C. It reaches the whole process group, but is for the vault alone, which lets
    #    the jobs under way end before it closes our pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket(fileno=descriptor) as pipe:
        match receive_jobs(pipe):
            case (Hello() as hello,):
                pass
            case _:
                return
        try:
            # 3. Open the token, and test it before Ready is sent: a token that answers wrongly gets
            #    no job. Each job is charged to somebody.
            with open_token(hello.token) as token:
                check_keys(token.keys)
                pipe.sendall(frame(_ready(token, hello)))
                tune_gc()
                _serve(token, pipe)
        # 4. Say why it cannot be opened. Only a wrong PIN is final: the vault must not try it
        #    again, or the token locks itself. All else may be better next time.
        except WrongPin as error:
            failed = Failed(str(error), is_session_lost=True, is_final=True, hint=error.hint)
            pipe.sendall(frame(failed))
        except OperatorError as error:
            pipe.sendall(frame(Failed(str(error), is_session_lost=True, hint=error.hint)))
        except TokenError as error:
            pipe.sendall(frame(Failed(str(error), is_session_lost=True)))


def _report_uncaught(error: str, where: list[str]) -> None:
    sys.stderr.write(f"{error} at {' '.join(where)}\n")


def _ready(token: OpenToken, hello: Hello) -> Ready:
    secrets = tuple(token.keys.derive_secret(label) for label in hello.labels)
    return Ready(token.keys.identity.public_key.encode(), secrets)


def _serve(token: OpenToken, pipe: socket) -> None:
    """Do one job at a time, until the pipe is closed or the session is lost."""
    while jobs := receive_jobs(pipe):
        for job in jobs:
            answer = _answer(token, job)
            # Each answer at once, not with those of the batch: its caller waits for this one alone.
            pipe.sendall(frame(answer))
            # No other job can be done on this session. The process ends; the vault starts another.
            if isinstance(answer, Failed) and answer.is_session_lost:
                return


def _answer(token: OpenToken, job: AnyJob) -> AnyAnswer:
    handle = handlers.HANDLERS.get(type(job))
    if handle is None:
        return Failed("this worker is already open")
    try:
        return handle(token, job)
    except TokenError as error:
        return Failed(
            str(error),
            is_session_lost=error.is_session_lost,
            is_not_found=isinstance(error, KeyNotFound),
        )
    # A stored record or key that does not decode fails its own job, and no other: any account could
    # otherwise take a worker down by trying again.
    except OpaqueError as error:
        return Failed(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
