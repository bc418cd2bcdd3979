"""Draws the house from its imports: docs/architecture.svg, packages by layer.

    python scripts/drawing.py            writes the picture
    python scripts/drawing.py --check    fails if the committed one is another; `make check` runs it

A package stands above those that it imports. An arrow that others imply is left out: where a
imports b, and b imports c, the import of c by a is not drawn. Imports for types alone do not count.
"""

from __future__ import annotations

import ast
import sys
from html import escape
from typing import TYPE_CHECKING, Final, TypeAlias

from house import ROOT, WINGS, Module, modules

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURE: Final = ROOT / "docs" / "architecture.svg"
Package: TypeAlias = "tuple[str, str]"
"""Wing, and path below the wing's package; the empty path is what stands beside the folders."""
Graph: TypeAlias = "dict[Package, set[Package]]"

BOX_WIDTH: Final = 118
BOX_HEIGHT: Final = 30
GAP: Final = 14
ROW: Final = 58
MARGIN: Final = 20
HEADING: Final = 34
COLOURS: Final = {"protocol": "#dff0e3", "client": "#dde9f7", "vault": "#f7eadb"}


def imports(module: Module) -> Iterator[str]:
    """Return the dotted names that a module imports when it runs, wherever the import stands."""
    pending: list[ast.AST] = [ast.parse(module.text)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        pending += ast.iter_child_nodes(node)


def packages(house: list[Module]) -> Graph:
    """Return which package imports which."""
    of_name = {module.name.removesuffix(".__init__"): _package(module) for module in house}
    graph: Graph = {_package(module): set() for module in house if not _is_entrance(module)}
    for module in house:
        if _is_entrance(module):
            continue
        for name in imports(module):
            target = of_name.get(name)
            if target is not None and target != _package(module) and target in graph:
                graph[_package(module)].add(target)
    return graph


def _package(module: Module) -> Package:
    folder = module.path.parent.as_posix()
    return module.wing, "" if folder == "." else folder


def _is_entrance(module: Module) -> bool:
    """Whether a module only starts or describes what stands beside it."""
    return module.path.as_posix() in {"__main__.py", "__init__.py"}


def reduced(graph: Graph) -> Graph:
    """Return the graph without the arrows that others imply."""
    return {
        package: {
            one
            for one in targets
            if not any(one in _reachable(graph, other) for other in targets - {one})
        }
        for package, targets in graph.items()
    }


def _reachable(graph: Graph, start: Package) -> set[Package]:
    found: set[Package] = set()
    pending = [start]
    while pending:
        for target in graph[pending.pop()]:
            if target not in found:
                found.add(target)
                pending.append(target)
    return found


def depths(graph: Graph) -> dict[Package, int]:
    """Return how many packages stand below each, in the longest chain.

    Raises:
        ValueError: packages import each other.
    """
    found: dict[Package, int] = {}

    def depth(package: Package, above: tuple[Package, ...]) -> int:
        if package in above:
            raise ValueError(f"an import circle: {' -> '.join(map(_label, (*above, package)))}")
        if package not in found:
            below = [depth(target, (*above, package)) for target in sorted(graph[package])]
            found[package] = 1 + max(below, default=-1)
        return found[package]

    for package in sorted(graph):
        depth(package, ())
    return found


def _label(package: Package) -> str:
    wing, folder = package
    return folder or {"protocol": "invite, labels", "client": "library", "vault": "errors"}[wing]


def picture(graph: Graph) -> str:
    """Return the drawing as SVG: client left, vault right, each package in its row."""
    rows = depths(graph)
    top = max(rows.values())
    columns: dict[Package, tuple[float, float]] = {}
    left: float = MARGIN
    parts: list[str] = []
    for wing in ("client", "protocol", "vault"):
        mine = sorted(package for package in graph if package[0] == wing)
        widest = max(sum(rows[one] == row for one in mine) for row in range(top + 1))
        width = widest * (BOX_WIDTH + GAP) - GAP
        parts.append(
            f'<text class="wing" x="{left + width / 2:.0f}" y="{MARGIN}">{WINGS[wing]}</text>'
        )
        for row in range(top + 1):
            here = [one for one in mine if rows[one] == row]
            start = left + (width - len(here) * (BOX_WIDTH + GAP) + GAP) / 2
            for place, package in enumerate(here):
                y = HEADING + (top - row) * ROW
                columns[package] = (start + place * (BOX_WIDTH + GAP), y)
        left += width + 3 * GAP
    arrows = [
        _arrow(columns[one], columns[two]) for one in sorted(graph) for two in sorted(graph[one])
    ]
    boxes = [_box(package, columns[package]) for package in sorted(columns)]
    height = HEADING + top * ROW + BOX_HEIGHT + MARGIN
    return "\n".join(
        [
            (
                '<svg xmlns="http://www.w3.org/2000/svg" role="img"'
                f' viewBox="0 0 {left:.0f} {height}">'
            ),
            "<title>The packages of Strongroom: each stands above those that it imports</title>",
            (
                "<style>text{font:12px sans-serif;text-anchor:middle;fill:#222}"
                ".wing{font-weight:bold}path{fill:none;stroke:#8a8a8a}rect{stroke:#777}</style>"
            ),
            f'<rect width="{left:.0f}" height="{height}" fill="#ffffff" stroke="none"/>',
            *parts,
            *arrows,
            *boxes,
            "</svg>",
            "",
        ]
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + BOX_WIDTH / 2, start[1] + BOX_HEIGHT
    x2, y2 = end[0] + BOX_WIDTH / 2, end[1]
    bend = max(16.0, (y2 - y1) / 2)
    points = (x1, y1, x1, y1 + bend, x2, y2 - bend, x2, y2)
    return '<path d="M{:.0f} {:.0f}C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}"/>'.format(*points)


def _box(package: Package, place: tuple[float, float]) -> str:
    x, y = place
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4"'
        f' fill="{COLOURS[package[0]]}"/>'
        f'<text x="{x + BOX_WIDTH / 2:.0f}" y="{y + 19:.0f}">{escape(_label(package))}</text>'
    )


def main() -> int:
    """Write the picture, or check the one that is there."""
    drawn = picture(reduced(packages(modules())))
    if "--check" not in sys.argv[1:]:
        PICTURE.write_text(drawn, encoding="utf-8")
        return 0
    if PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == drawn:
        return 0
    print(
        "drawing: docs/architecture.svg is not what the imports give: make drawing", file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
