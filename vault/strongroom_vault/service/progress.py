"""The progress of a rotation of the wrap key, as operators see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """How far a rotation has come."""

    IDLE = "idle"
    PREPARING = "preparing"
    REWRAPPING = "rewrapping"
    DESTROYING = "destroying"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class Progress:
    """What an operator sees.

    Attributes:
        stage: how far it has come.
        wrap_key: number of the new wrap key, once it is known.
        buckets_done: of this walk over the records.
        buckets: that hold any record.
        rewrapped: records, in all walks.
        problem: why the last try failed; empty if it did not.
    """

    stage: Stage = Stage.IDLE
    wrap_key: int = 0
    buckets_done: int = 0
    buckets: int = 0
    rewrapped: int = 0
    problem: str = ""
