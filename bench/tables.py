"""The figures as tables on a terminal."""

from __future__ import annotations

from typing import Any, Final

_FAR: Final = "per_s_by_workers_far_token"


def print_tables(figures: dict[str, Any]) -> None:
    """Print what a reader wants first."""
    _print("machine", [(name, str(value)) for name, value in figures["machine"].items()])
    floor = figures["floor"]
    _print("CPU us per recovery start, token calls alone", _numbers(floor))
    for kind in ("recovery", "registration"):
        loads = figures[kind]
        clients = list(loads["cpu_us"])
        rows = [("clients", "".join(f"{number:>10}" for number in clients))]
        for name, values in loads.items():
            if not name.startswith("per_s_by_workers"):
                rows.append((name, "".join(f"{values[number]:>10,.1f}" for number in clients)))
        _print(kind, rows)
    ratio = figures["ratio"]
    _print(
        "recoveries",
        [
            ("CPU at 64 clients / floor", _share(ratio["to_floor"])),
            ("CPU at 64 clients / opaque-p256", _share(ratio["to_peer"])),
            *(
                (f"per s, {workers} worker(s), {where}", f"{value:,.1f}")
                for where, name in (("SoftHSM", "per_s_by_workers"), ("1 ms away", _FAR))
                for workers, value in (figures["recovery"][name] or {}).items()
            ),
        ],
    )
    for size in figures["growth"]:
        _print(f"{size['records']:,} records", _numbers(size))
    ledger = figures["ledger"]
    _print(
        f"what the verified ledger adds, {ledger['records']:,} records",
        [
            (
                "CPU us with / without",
                f"{ledger['verified_cpu_us']:,.0f} / {ledger['unverified_cpu_us']:,.0f}",
            ),
            ("share", f"{ledger['verified_share']:.1%}"),
        ],
    )
    for name in ("client", "backup", "peer"):
        _print(name, _numbers(figures[name]))


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"


def _numbers(values: dict[str, float | None]) -> list[tuple[str, str]]:
    return [
        (name, "not measured" if value is None else f"{value:,.1f}")
        for name, value in values.items()
    ]


def _print(title: str, rows: list[tuple[str, str]]) -> None:
    print(f"\n{title}")
    for name, value in rows:
        print(f"  {name:<32}{value}")
