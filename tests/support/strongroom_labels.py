"""All labels of `strongroom/v1`, by the names that they have in `labels.py`."""

from __future__ import annotations

from typing import Final

from strongroom_protocol import labels

START: Final = "strongroom/v1"


def _all() -> dict[str, bytes]:
    values = {
        name: value.encode() if isinstance(value, str) else value
        for name, value in vars(labels).items()
        if isinstance(value, str | bytes) and name.isupper()
    }
    return {name: value for name, value in values.items() if value.startswith(START.encode())}


LABELS: Final = _all()
