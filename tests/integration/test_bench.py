"""The bench works and writes every figure that its readers count on. No time is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from vault_process import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = ["1", "8", "64"]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    program = [
        sys.executable,
        str(REPOSITORY / "bench" / "run.py"),
        "--short",
        "--out",
        str(folder),
    ]
    done = subprocess.run(program, check=True, capture_output=True, text=True, timeout=300)
    assert "CPU at 64 clients / floor" in done.stdout
    return folder


def test_every_figure_is_there(out: Path) -> None:
    figures = json.loads((out / "bench.json").read_text())
    assert figures["floor"]["c_cpu_us"] > 0
    assert figures["floor"]["python_cpu_us"] > 0
    for name in ("cpu_us", "per_s", "p50_ms", "p99_ms", "p999_ms"):
        for kind in ("recovery", "registration"):
            assert list(figures[kind][name]) == CLIENTS
            assert all(value > 0 for value in figures[kind][name].values())
    assert list(figures["recovery"]["per_s_by_workers"]) == ["1", "2"]
    assert list(figures["recovery"]["per_s_by_workers_far_token"]) == ["1", "2"]
    assert figures["ratio"]["to_floor"] > 0
    assert "to_peer" in figures["ratio"]
    for size in figures["growth"]:
        for name in ("records", "cpu_us", "start_s", "rss_mb", "bytes_per_record"):
            assert size[name] > 0
    for name in ("encrypt_mb_s", "decrypt_mb_s", "pyrage_encrypt_mb_s"):
        assert figures["backup"][name] > 0
    assert "age_encrypt_mb_s" in figures["backup"]
    assert "opaque_p256_cpu_us" in figures["peer"]
    assert {"records", "verified_share"} <= figures["ledger"].keys()


def test_the_plots_are_pictures(out: Path) -> None:
    for name in ("cpu.png", "latency.png", "growth.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG\r\n")
