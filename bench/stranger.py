"""A flood in a process of its own, until its standard input ends.

python stranger.py PORT CERTIFICATE KIND CONNECTIONS STREAMS    ("ready" on stdout, then JSON)
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import worlds  # noqa: F401 -- it knows the folder of the next one
from floods import Flood, kinds


async def main(port: str, certificate: str, kind: str, connections: str, streams: str) -> None:
    """Flood, and say what the vault closed."""
    chosen = kinds(int(streams))[kind]
    async with Flood(int(port), Path(certificate), chosen, int(connections)) as flood:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(json.dumps({"open": flood.open, "closed": flood.closed}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
