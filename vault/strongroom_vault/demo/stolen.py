"""What a thief finds in a copy of the vault's database, which is really read."""

from __future__ import annotations

import json
import sqlite3
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def rows(database: Path) -> Iterator[tuple[str, str]]:
    """Yield what the tables say about each record: a name, and what a reader can learn.

    Raises:
        sqlite3.Error: it is not a vault's database.
    """
    with closing(sqlite3.connect(database)) as db:
        records = db.execute("SELECT hex(id), sealed FROM record").fetchall()
        events = [json.loads(body) for (body,) in db.execute("SELECT body FROM event")]
    for name, sealed in records:
        packed = len(zlib.compress(sealed, 9))
        yield (
            f"record {name[:8].lower()}",
            f"{len(sealed)} sealed bytes; compressed, {packed}: they are like noise",
        )
        its = [event["event"] for event in events if event.get("record") == name.lower()]
        yield "its log", ", ".join(its)
