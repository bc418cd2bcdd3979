"""Loads vectors of the OPRF and OPAQUE: the published ones beside the clone, and our own.

An empty or short file is an error, so that a test over it cannot pass by testing nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

_TESTS: Final = Path(__file__).parents[1]
PUBLISHED: Final = _TESTS.parents[1] / "shared" / "vectors"
OWN: Final = _TESTS / "vectors"

Vector = dict[str, Any]


class ShortVectors(Exception):
    """A file of vectors has fewer than it must have."""


def published(name: str, count: int) -> list[Vector]:
    """Returns the published vectors of a file; skips the test in a clone that has no such folder.

    Raises:
        ShortVectors: if the folder is there, but not `count` vectors in it.
    """
    if not PUBLISHED.is_dir():
        pytest.skip("no ../shared/vectors folder: our own known answers are tested instead")
    return load(PUBLISHED / name, count)


def own(name: str, count: int) -> list[Vector]:
    """Returns the known answers of our own making (`vectors/SOURCES.md`).

    Raises:
        ShortVectors: if there are not `count` of them.
    """
    return load(OWN / name, count)


def load(path: Path, count: int) -> list[Vector]:
    """Returns the vectors of a file, exactly `count`.

    Raises:
        ShortVectors: if there are not so many, or one of them is empty.
    """
    vectors = json.loads(path.read_text()) if path.is_file() else []
    if len(vectors) != count or not all(vectors):
        raise ShortVectors(f"{path.name}: {len(vectors)} vectors instead of {count}")
    return list(vectors)
