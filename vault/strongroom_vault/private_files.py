"""Files whose modes matter: secrets that nobody else may read, trust that nobody else may write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from strongroom_vault.errors import OperatorError

_OTHERS: Final = 0o077
_OTHERS_OF_A_CREDENTIAL: Final = 0o037
"""systemd may show a credential as readable by a group, which stands for an access control list."""
_OTHERS_WRITE: Final = 0o022


def refuse_readable_by_others(path: Path, what: str = "", hint: str = "") -> None:
    """Check that a file with a secret is its owner's alone. `what` names it in errors.

    Where it is not there or cannot be read, `hint` says what may help.

    Raises:
        OperatorError: there is no such file, or others may read it.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    is_credential = credentials is not None and path.is_relative_to(Path(credentials))
    if _mode(path, what, hint) & (_OTHERS_OF_A_CREDENTIAL if is_credential else _OTHERS):
        raise OperatorError(f"others can read {what}{path}; run: chmod 600 {path}")


def refuse_writable_by_others(path: Path) -> None:
    """Check that only its owner can change a file that the vault believes.

    Raises:
        OperatorError: there is no such file, or others may write it.
    """
    if _mode(path) & _OTHERS_WRITE:
        raise OperatorError(f"others can write {path}; run: chmod go-w {path}")


def _mode(path: Path, what: str = "", hint: str = "") -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError as error:
        raise OperatorError(f"{what}{path} does not exist", hint) from error
    except OSError as error:
        raise OperatorError(f"cannot read {what}{path}: {error.strerror}", hint) from error
