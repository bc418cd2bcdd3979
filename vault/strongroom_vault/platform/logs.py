"""Logs: one JSON object a line, on stderr. Nothing secret, no account names.

What is logged while a call is handled carries its `request_id`, which the caller gets too. Messages
of libraries (`logging`), warnings and uncaught errors become such lines. A log that cannot be
written (disk full, reader gone) stops nothing else.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import structlog

from strongroom_protocol.terminal.streams import unfailing_stderr
from strongroom_vault.platform import uncaught

if TYPE_CHECKING:
    from typing import TextIO

log = structlog.get_logger()

QUIET_S: Final = 60.0
"""How long the same message of a library is logged once only."""


class _FromLibraries(logging.Handler):
    """Logs messages of libraries, each of them once in `QUIET_S`."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until: dict[tuple[str, object], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now, message = time.monotonic(), (record.name, record.msg)
        if now < self._quiet_until.get(message, now):
            return
        self._quiet_until = {key: end for key, end in self._quiet_until.items() if end > now}
        self._quiet_until[message] = now + QUIET_S
        # Later lines may show values: asyncio's tasks, an error's own text.
        details = {"problem": record.getMessage().strip().partition("\n")[0]}
        if record.exc_info and record.exc_info[0] is not None:
            details["error"] = record.exc_info[0].__name__
        log.warning("library", name=record.name, **details)


def configure(file: TextIO | None = None) -> None:
    """Set structlog and `logging` up for the whole process. Lines go to `file`, or else stderr."""
    logging.basicConfig(level=logging.WARNING, handlers=[_FromLibraries()], force=True)
    logging.captureWarnings(capture=True)
    uncaught.report_to(lambda name, where: log.error("internal error", error=name, where=where))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=file or unfailing_stderr()),
    )
