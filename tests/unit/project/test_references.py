"""What docstrings, comments and pages point at is there: files, folders, tests, sections.

A path is looked for from the root of the repository, from the folder of the file that names it, and
as the end of any path: `hsm/token/plain.py` in vault/strongroom_vault/ is enough for a reader. A
folder is looked for if it has two names at least.
"""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import tokenize
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY: Final = Path(__file__).parents[3]
SUFFIXES: Final = "py|pyi|md|js|sh|sql|proto|toml|txt|json|yml|service|c|png"
PATH: Final = re.compile(
    rf"(?<![\w./@<$~{{-])(?!(?:DIR|FOLDER)/)((?:\.\./|[\w*-]+/)*[\w*.-]*[\w*-]\.(?:{SUFFIXES})|[\w-]+/(?:[\w*.-]+/)+)"
    rf"(?![\w/>]|\.\w)(?:::(\w+))?"
)
SECTION: Final = re.compile(r"docs/design\.md,? section (\d+)|[Dd]esign,? (?:section|§) ?(\w+)")
NOT_OURS: Final = {
    "bench.json",  # made by bench/run.py
    "bench/out/bench.json",
    "issuer.jwks.json",  # made by strongroom-vault token
    "unproven.toml",  # made by the client
    "strongroom-vault.toml",  # an operator's settings
    "softhsm2.conf",  # SoftHSM's
    "status.proto",  # Google's
    "error_details.proto",
}
"""Names that look like paths of this repository: of other programs, or made when one runs."""


def tracked() -> list[str]:
    """All files of the repository, as paths from its root."""
    listed = subprocess.run(
        ["git", "-C", str(REPOSITORY), "ls-files", "-co", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    )
    return listed.stdout.splitlines()


FILES: Final = tracked()
FOLDERS: Final = {f"{folder}/" for name in FILES for folder in map(str, Path(name).parents)}
TAILS: Final = {
    "/".join(parts[start:])
    for name in (*FILES, *FOLDERS)
    for parts in [name.split("/")]
    for start in range(len(parts) - name.endswith("/"))
}
"""Every path and every end of one."""
TEXTS: Final = [
    name
    for name in FILES
    if re.search(r"\.(py|md|js|sh|sql|proto|toml|c)$", name) and "_pb2" not in name
]


@cache
def said(name: str) -> str:
    """The prose of a file: all of a page, docstrings and comments of a program."""
    text = (REPOSITORY / name).read_text()
    match name.rpartition(".")[2]:
        case "md":
            return text
        case "py":
            return "\n".join([*docstrings(text), *comments(text)])
        case "js" | "proto" | "c":
            return "\n".join(re.findall(r"(?://|/\*|^ \*).*", text, re.MULTILINE))
        case "sql":
            return "\n".join(re.findall(r"--.*", text))
        case _:
            return "\n".join(re.findall(r"(?:^|\s)# .*", text))


def docstrings(source: str) -> Iterator[str]:
    """All texts that stand alone in a program: docstrings, and those below a constant."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def comments(source: str) -> Iterator[str]:
    """The comments of a program."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def is_there(path: str, named_in: str) -> bool:
    """Whether a path stands for any file or folder."""
    beside = os.path.normpath(Path(named_in).parent / path) + "/" * path.endswith("/")
    if "*" in path:
        return any(fnmatch(name, wanted) for wanted in (path, beside) for name in TAILS)
    return path in TAILS or beside in TAILS


def missing(text: str, named_in: str) -> list[str]:
    """The paths and the tests of a text that do not exist."""
    found = []
    for path, test in PATH.findall(text):
        if path in NOT_OURS:
            continue
        sources = [name for name in FILES if test and name.endswith(path)]
        has_test = any(f"def {test}(" in (REPOSITORY / name).read_text() for name in sources)
        if not is_there(path, named_in) or (test and not has_test):
            found.append(f"{path}::{test}" if test else path)
    return found


def test_every_path_that_is_named_exists() -> None:
    assert len(TEXTS) > 200
    assert [(name, path) for name in TEXTS for path in missing(said(name), name)] == []


@pytest.mark.parametrize(
    "text",
    [
        "see `tests/model/attempt_model.py`",
        "in tests/model/, by hand",
        "(tests/unit/test_nothing.py)",
        "policies.py checks it",
        "[a page](../docs/nothing.md)",
        "unit/vault/service/test_backup_keys.py::test_that_does_not_exist",
        "tests/nothing/test_*.py",
    ],
)
def test_a_path_that_does_not_exist_is_found(text: str) -> None:
    assert len(missing(text, "docs/design.md")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "`tests/support/attempt_model.py 8`",
        "`policy.py` and hsm/token/plain.py.",
        "[a page](decisions/)",
        "unit/vault/service/test_context.py::test_states_are_for_one_purpose_and_one_account",
        "tests/interop/*.js",
        "https://example.org/nothing.md, /etc/nothing.toml, ~/nothing.sh, $HOME/nothing.sh",
    ],
)
def test_a_path_that_exists_is_not_found(text: str) -> None:
    assert missing(text, "docs/design.md") == []


def test_every_section_of_the_design_that_is_named_exists() -> None:
    numbers = re.findall(r"^## (\d+)\.", (REPOSITORY / "docs/design.md").read_text(), re.MULTILINE)
    assert len(numbers) == 8
    found = [(name, *found) for name in TEXTS for found in SECTION.findall(said(name))]
    assert len(found) >= 2
    assert [one for one in found if one[2] or one[1] not in numbers] == []
