"""A node process with Meta's opaque-ke (npm @serenity-kit/opaque-p256) and a client made of it."""

from __future__ import annotations

import fcntl
import json
import subprocess
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[1] / "interop"
_INSTALL: Final = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]


class PeerError(Exception):
    """The peer's call failed.

    Attributes:
        reason: of the vault's ErrorInfo; None where the peer itself refused.
        details: the ErrorInfo's metadata.
        kind: the name of the error's class in JavaScript.
    """

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["error"])
        self.reason: str | None = answer["reason"]
        self.details: dict[str, str] = answer["details"]
        self.kind: str | None = answer["kind"]


class Peer:
    """The process `tests/interop/peer.js`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "peer.js"],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def call(self, name: str, *args: Any) -> Any:
        """Ask, and return the result.

        Raises:
            PeerError: the call failed.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"call": name, "args": args}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, f"node ended with {process.wait(timeout=20)}; its errors are above"
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer)
        return answer["result"]

    def close(self) -> None:
        """End the process; it ends by itself when its input does."""
        self._process.communicate(timeout=20)
        assert self._process.returncode == 0


def install() -> None:
    """Bring the packages of `package-lock.json`, by hash, into `node_modules`.

    Under a lock: with pytest-xdist several processes come here at once, and two npm in one folder
    destroy each other's work.
    """
    with (FOLDER / "package-lock.json").open() as wanted:
        fcntl.flock(wanted, fcntl.LOCK_EX)
        stamp = FOLDER / "node_modules" / ".installed-from"
        packages = wanted.read()
        if stamp.exists() and stamp.read_text() == packages:
            return
        done = subprocess.run(_INSTALL, cwd=FOLDER, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"npm install failed: {done.stdout}{done.stderr}"
        stamp.write_text(packages)
