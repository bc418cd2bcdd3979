"""Labels stand in one file, differ from each other, and no other file writes one."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from strongroom_labels import LABELS, START

from strongroom_protocol import labels

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[3]
PLACE = REPOSITORY / "protocol" / "strongroom_protocol" / "labels.py"
SOURCES = [
    path
    for wing in ("protocol", "client", "vault")
    for path in sorted((REPOSITORY / wing).rglob("*.py"))
    if path != PLACE and "_pb2" not in path.name
]


def written_labels(text: str) -> Iterator[str]:
    """The constants with a label in them, but for docstrings: these may quote one."""
    tree = ast.parse(text)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            value = node.value
            if isinstance(value, bytes):
                value = value.decode("latin-1")
            if isinstance(value, str) and START in value:
                yield value


def test_no_other_file_writes_a_label() -> None:
    found = {path: list(written_labels(path.read_text(encoding="utf-8"))) for path in SOURCES}
    assert len(found) > 100
    assert {path: written for path, written in found.items() if written} == {}


def test_a_label_elsewhere_would_be_found() -> None:
    assert len(list(written_labels(PLACE.read_text(encoding="utf-8")))) == len(LABELS)
    assert list(written_labels('A = b"strongroom/v1 head"\n"""strongroom/v1 head"""\n')) == [
        "strongroom/v1 head"
    ]
    assert list(written_labels('send(f"strongroom/v1/{vault_id}")')) == ["strongroom/v1/"]


def test_no_label_is_the_beginning_of_another() -> None:
    """Two statements could be taken for each other; the server identity alone is a prefix."""
    prefix = labels.SERVER_IDENTITY_PREFIX
    whole = [label for label in LABELS.values() if label != prefix]
    assert len(whole) == len(LABELS) - 1 == len(set(whole))
    for label in whole:
        assert not label.startswith(prefix)
        others = (other for other in whole if other != label)
        assert not any(other.startswith(label) for other in others)


def test_derived_keys_are_asked_for_in_this_order() -> None:
    """A vault that runs has its keys by their place in this tuple."""
    assert labels.DERIVED_KEYS == (
        "strongroom/v1 record sealing",
        "strongroom/v1 account pseudonym",
        "strongroom/v1 registration state",
        "strongroom/v1 recovery state",
        "strongroom/v1 head",
    )


@pytest.mark.parametrize("vault_id", ["a", "vault.example", "-", "0" * 64])
def test_a_vault_id(vault_id: str) -> None:
    assert re.fullmatch(labels.VAULT_ID, vault_id)


@pytest.mark.parametrize("other", ["", "Vault", "a b", "a/b", "ä", "a\n", "0" * 65])
def test_not_a_vault_id(other: str) -> None:
    assert re.fullmatch(labels.VAULT_ID, other) is None
