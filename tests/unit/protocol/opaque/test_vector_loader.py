"""The loader of vectors: an empty or short set is an error, and only a missing folder a skip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import opaque_vectors
import pytest
from opaque_vectors import ShortVectors, load, own, published

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("content", ["[]", '[{"a": 1}]', "[{}, {}]", '[{"a": 1}, {}]'])
def test_short_or_empty_vectors_are_an_error(tmp_path: Path, content: str) -> None:
    file = tmp_path / "vectors.json"
    file.write_text(content)
    with pytest.raises(ShortVectors):
        load(file, 2)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ShortVectors):
        load(tmp_path / "missing.json", 1)
    with pytest.raises(ShortVectors):
        own("missing.json", 1)


def test_a_full_file_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "vectors.json"
    file.write_text('[{"a": 1}, {"b": 2}]')
    assert load(file, 2) == [{"a": 1}, {"b": 2}]


def test_a_folder_without_its_vectors_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opaque_vectors, "PUBLISHED", tmp_path)
    with pytest.raises(ShortVectors):
        published("oprf.json", 3)


def test_no_folder_is_a_skip_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opaque_vectors, "PUBLISHED", tmp_path / "none")
    with pytest.raises(pytest.skip.Exception, match=r"^no \.\./shared/vectors folder"):
        published("oprf.json", 3)
