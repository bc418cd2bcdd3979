"""The types of what an application gives: another one is refused at once, and by name."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, Final, TypeAlias

Kind: TypeAlias = Any
"""A class, an abstract one of `collections.abc` or a runtime protocol; None for None itself."""

_NAMES: Final[dict[Kind, str]] = {None: "None", Callable: "a function", os.PathLike: "a path"}


def check_types(**arguments: tuple[Kind, ...]) -> None:
    """Check arguments by their names: each is its value, then the types that it may have.

    A bool is no number here.

    Raises:
        TypeError: one of them has another type. It names the argument and the type, not the value,
            which may be secret.
    """
    for name, (value, *kinds) in arguments.items():
        classes = tuple(type(None) if kind is None else kind for kind in kinds)
        if not isinstance(value, classes) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(_NAMES.get(kind) or kind.__name__ for kind in kinds)
            raise TypeError(f"{name} must be {wanted}, not {type(value).__name__}")


def check_file(name: str, file: object, method: str) -> None:
    """Check that an argument is an open file of bytes, or what reads or writes like one.

    Raises:
        TypeError: it has no such method, or is a file of text.
    """
    if isinstance(file, io.TextIOBase) or not callable(getattr(file, method, None)):
        raise TypeError(f"{name} must be an open file of bytes, not {type(file).__name__}")
