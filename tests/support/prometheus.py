"""A real Prometheus for tests: Debian's package, a port and a folder of its own."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs."""

    address: str

    def query(self, expression: str) -> list[float]:
        """The values of all series that an expression has now; an error if it does not parse."""
        return [float(series["value"][1]) for series in self.series(expression)]

    def series(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression, with their labels."""
        asked = urllib.parse.urlencode({"query": expression}).encode()
        try:
            answer = urllib.request.urlopen(
                f"http://{self.address}/api/v1/query", asked, timeout=30
            )
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from error
        with answer:
            found = json.load(answer)["data"]
        assert found["resultType"] == "vector", expression
        result: list[dict[str, Any]] = found["result"]
        return result

    def names(self) -> set[str]:
        """The names of all metrics that it has."""
        url = f"http://{self.address}/api/v1/label/__name__/values"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return set(json.load(answer)["data"])

    def wait_for(self, expression: str, holds: Callable[[list[float]], bool]) -> list[float]:
        """The values of an expression, once they are so."""
        ends_at = time.monotonic() + PATIENCE_S
        while not holds(values := self.query(expression)):
            assert time.monotonic() < ends_at, (expression, values)
            time.sleep(0.2)
        return values


def is_number(values: list[float]) -> bool:
    """Whether any of these is one, and not what comes of 0 / 0."""
    return any(not math.isnan(value) for value in values)


@contextmanager
def running(folder: Path, target: str, rules: Path) -> Iterator[Prometheus]:
    """Run one that asks a vault for its metrics twice a second."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = {
        "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "strongroom", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={address}",
            "--log.level=warn",
        ]
    )
    try:
        _wait_until_ready(address, process)
        yield Prometheus(address)
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at:
        assert process.poll() is None, "Prometheus has ended"
        try:
            urllib.request.urlopen(f"http://{address}/-/ready", timeout=30).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("Prometheus does not become ready")
