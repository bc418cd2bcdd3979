"""Draws bench.json as pictures for docs/performance.md.

python bench/plots.py FOLDER    reads FOLDER/bench.json, writes FOLDER/*.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

BLUE, GREY, RED = "#2b6cb0", "#a0aec0", "#c53030"
SIZE: Final = (7, 3.6)


def main(folder: Path) -> None:
    """Draw everything that the figures have."""
    figures = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    cpu(figures, folder / "cpu.png")
    latency(figures["recovery"], folder / "latency.png")
    growth(figures["growth"], folder / "growth.png")


def cpu(figures: dict[str, Any], path: Path) -> None:
    """CPU time of a recovery beside the token's floor and the peer."""
    bars = [
        ("token calls alone, from C", figures["floor"]["c_cpu_us"], GREY),
        ("token calls alone, python-pkcs11", figures["floor"]["python_cpu_us"], GREY),
        *(
            (f"vault, {clients} client(s)", value, BLUE)
            for clients, value in figures["recovery"]["cpu_us"].items()
        ),
        ("opaque-p256 server, no disk, no network", figures["peer"]["opaque_p256_cpu_us"], RED),
    ]
    bars = [bar for bar in reversed(bars) if bar[1] is not None]
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    drawn = axes.barh(
        [name for name, _, _ in bars],
        [value for _, value, _ in bars],
        color=[colour for _, _, colour in bars],
    )
    axes.bar_label(drawn, fmt="{:,.0f}", padding=3)
    axes.set_xlabel("CPU time per recovery, µs")
    _save(figure, path)


def latency(recovery: dict[str, Any], path: Path) -> None:
    """Latency and throughput by number of clients."""
    clients = list(recovery["per_s"])
    figure, (left, right) = plt.subplots(1, 2, figsize=SIZE, layout="constrained")
    left.plot(clients, list(recovery["per_s"].values()), "o-", color=BLUE)
    left.set_ylabel("recoveries per second")
    left.set_ylim(bottom=0)
    for name, label, colour in (("p50_ms", "p50", BLUE), ("p99_ms", "p99", RED)):
        right.plot(clients, list(recovery[name].values()), "o-", color=colour, label=label)
    right.set_ylabel("latency, ms")
    right.set_ylim(bottom=0)
    right.legend(frameon=False)
    for axes in (left, right):
        axes.set_xlabel("clients")
    _save(figure, path)


def growth(sizes: list[dict[str, float]], path: Path) -> None:
    """What a larger store costs."""
    records = [f"{int(size['records']):,}" for size in sizes]
    figure, drawn = plt.subplots(1, 3, figsize=SIZE, layout="constrained")
    for axes, (name, label) in zip(
        drawn,
        (("cpu_us", "CPU per recovery, µs"), ("start_s", "start, s"), ("rss_mb", "memory, MB")),
        strict=True,
    ):
        bars = axes.bar(records, [size[name] for size in sizes], color=BLUE)
        axes.bar_label(bars, fmt="{:,.1f}" if name == "start_s" else "{:,.0f}")
        axes.set_title(label, fontsize=9)
        axes.tick_params(axis="x", rotation=20)
    figure.supxlabel("records", fontsize=9)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
