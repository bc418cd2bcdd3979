"""Logs: one JSON object a line, on stderr. Nothing secret, no account names.

What is logged while a call is handled carries its `request_id`, which the caller is told too.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import structlog


class _Stderr:
    """Writes lines. A log that cannot be written (disk full, reader gone) stops nothing else."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def configure() -> None:
    """Set structlog up for the whole process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=_Stderr()),  # type: ignore[arg-type]
    )
