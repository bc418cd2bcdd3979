"""The house rules: sizes, mirrored tests, and the figures of the house.

    python scripts/house.py            checks the rules; `make check` runs it
    python scripts/house.py --figures  prints the figures

Rules: no module over 300 lines, no class over 200; every module has a test file of its name in
tests/unit, at the place that mirrors its own, or in a folder of `CONTRACTS`; every package says in
its `__init__` what lives there.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[1]
WINGS: Final = {
    "protocol": "strongroom_protocol",
    "client": "strongroom",
    "vault": "strongroom_vault",
}
MAX_MODULE: Final = 300
MAX_CLASS: Final = 200
CONTRACTS: Final = {"hsm/token": "tests/contract/hsm", "store": "tests/contract/store"}
"""Packages of the vault whose test bodies run over every implementation, and where these are."""


@dataclass(frozen=True)
class Module:
    """One module: the wing that it is in, its path below the wing's package, its text."""

    wing: str
    path: Path
    text: str

    @property
    def name(self) -> str:
        """The name by which Python imports it."""
        return ".".join([WINGS[self.wing], *self.path.with_suffix("").parts])

    @property
    def size(self) -> int:
        """Its lines."""
        return self.text.count("\n")

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """Return its nodes of some kinds."""
        return (node for node in ast.walk(ast.parse(self.text)) if isinstance(node, kinds))

    def lengths(self, *kinds: type[ast.AST]) -> list[tuple[int, str]]:
        """Return size and name of its classes or functions."""
        return [
            (node.end_lineno - node.lineno + 1, f"{self.name}.{node.name}")  # type: ignore[attr-defined]
            for node in self.nodes(*kinds)
        ]


def modules() -> list[Module]:
    """Return all modules but generated ones."""
    return [
        Module(wing, path.relative_to(ROOT / wing / package), path.read_text(encoding="utf-8"))
        for wing, package in WINGS.items()
        for path in sorted((ROOT / wing / package).rglob("*.py"))
        if "_pb2" not in path.name
    ]


def too_large(house: list[Module]) -> Iterator[str]:
    """Name what has more lines than it may have."""
    for module in house:
        if module.size > MAX_MODULE:
            yield f"{module.name} has {module.size} lines, and {MAX_MODULE} is the most"
        for size, name in module.lengths(ast.ClassDef):
            if size > MAX_CLASS:
                yield f"class {name} has {size} lines, and {MAX_CLASS} is the most"


def untested(house: list[Module]) -> Iterator[str]:
    """Name the modules without a test file of their name, and where it would be."""
    for module in house:
        if module.path.name in {"__init__.py", "__main__.py"}:
            continue
        file = f"test_{module.path.stem}.py"
        folder = module.path.parent
        places = [ROOT / "tests" / "unit" / module.wing / folder / file]
        if module.wing == "vault" and folder.as_posix() in CONTRACTS:
            places.append(ROOT / CONTRACTS[folder.as_posix()] / file)
        if not any(place.exists() for place in places):
            yield f"{module.name} has no {places[0].relative_to(ROOT)}"


def undescribed(house: list[Module]) -> Iterator[str]:
    """Name the packages that do not say what lives there."""
    for module in house:
        if module.path.name == "__init__.py" and ast.get_docstring(ast.parse(module.text)) is None:
            yield f"{module.name} has no docstring"


def misplaced_tests(house: list[Module]) -> Iterator[str]:
    """Name the unit tests that mirror no module."""
    folders = {
        wing: {module.path.parent for module in house if module.wing == wing} for wing in WINGS
    }
    for wing in WINGS:
        top = ROOT / "tests" / "unit" / wing
        for test in sorted(top.rglob("test_*.py")):
            if test.parent.relative_to(top) not in folders[wing]:
                yield f"{test.relative_to(ROOT)} mirrors no package"


def comment_share(house: list[Module]) -> float:
    """Return lines of comment for each line of code."""
    comments = code = 0
    for module in house:
        lines: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
            if token.type == tokenize.COMMENT:
                comments += 1
            elif token.type in {tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING}:
                lines.update(range(token.start[0], token.end[0] + 1))
        code += len(lines)
    return comments / code


def figures(house: list[Module]) -> Iterator[str]:
    """Return the figures of the house, a line each."""
    sizes = sorted((module.size, module.name) for module in house)
    classes = sorted(one for module in house for one in module.lengths(ast.ClassDef))
    functions = sorted(
        one for module in house for one in module.lengths(ast.FunctionDef, ast.AsyncFunctionDef)
    )
    folders = {(module.wing, module.path.parent) for module in house}
    yield f"modules           {len(house)} in {len(folders)} packages"
    for kind, found in (("module", sizes), ("class", classes), ("function", functions)):
        middle = median(size for size, _ in found)
        yield f"{kind:<18}median {middle:.0f}, largest {found[-1][0]} ({found[-1][1]})"
    long = sum(size > 40 for size, _ in functions)
    yield f"functions         {len(functions)}, {long} over 40 lines"
    yield f"comment lines     {comment_share(house):.3f} for each line of code"
    yield f"ANN401            {sum(module.text.count('noqa: ANN401') for module in house)}"


def main() -> int:
    """Check, or print the figures."""
    house = modules()
    if "--figures" in sys.argv[1:]:
        print("\n".join(figures(house)))
        return 0
    faults = [
        *too_large(house),
        *untested(house),
        *undescribed(house),
        *misplaced_tests(house),
    ]
    for fault in faults:
        print(f"house: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
