"""New files appear complete or not at all, with and without files that have no name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from strongroom.drafts import new_file, remove, write_private
from strongroom.errors import OutputExists


@pytest.fixture(params=["nameless", "named", "named, without hard links", "without /proc"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a file system of this kind."""
    if request.param.startswith("named"):
        monkeypatch.delattr(os, "O_TMPFILE")
    if request.param == "named, without hard links":

        def no_link(*_: object, **__: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_link)
    if request.param == "without /proc":
        monkeypatch.setattr("strongroom.drafts._in_proc", lambda _: "/nowhere")
    return tmp_path


def test_a_file_takes_its_name_at_the_end(folder: Path) -> None:
    with new_file(folder / "out") as file:
        file.write(b"whole")
        file.flush()
        assert not (folder / "out").exists()
    assert (folder / "out").read_bytes() == b"whole"
    assert (folder / "out").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_is_given_up_leaves_nothing(folder: Path, error: type[BaseException]) -> None:
    def give_up() -> None:
        with new_file(folder / "out") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        give_up()
    assert list(folder.iterdir()) == []


def test_what_is_there_is_never_written_over(folder: Path) -> None:
    (folder / "file").write_bytes(b"precious")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("nowhere")
    for name in ("file", "folder", "link"):
        with pytest.raises(OutputExists), new_file(folder / name):
            raise AssertionError("it must not come so far")

    def be_late() -> None:
        with new_file(folder / "late") as file:
            file.write(b"new")
            (folder / "late").write_bytes(b"precious")

    with pytest.raises(OutputExists):
        be_late()
    assert {path.name for path in folder.iterdir()} == {"file", "folder", "link", "late"}
    assert (folder / "late").read_bytes() == b"precious"


@pytest.mark.parametrize("path", ["missing/out", "file/out", "x" * 300])
def test_what_cannot_be_written_is_known_at_the_start(folder: Path, path: str) -> None:
    (folder / "file").touch()
    with pytest.raises(OSError, match=r"directory|name too long"), new_file(folder / path):
        raise AssertionError("it must not come so far")
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_a_name_relative_to_where_we_are(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with new_file(Path("out")) as file:
        file.write(b"x")
    assert (folder / "out").read_bytes() == b"x"


def test_a_private_file_replaces_what_has_its_name(folder: Path) -> None:
    (folder / "file").write_bytes(b"earlier")
    (folder / "file").chmod(0o644)
    (folder / "elsewhere").write_bytes(b"precious")
    (folder / "link").symlink_to("elsewhere")
    (folder / "dangling").symlink_to("nowhere")
    names = {"new", "file", "link", "dangling"}
    for name in names:
        write_private(folder / name, b"secret")
        found = (folder / name).lstat()
        assert (stat.S_ISREG(found.st_mode), found.st_mode & 0o777) == (True, 0o600)
        assert (folder / name).read_bytes() == b"secret"
    assert (folder / "elsewhere").read_bytes() == b"precious"
    assert {path.name for path in folder.iterdir()} == names | {"elsewhere"}


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_private_file_that_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write_private(folder / "file", b"earlier")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_private(folder / "file", b"secret")
    monkeypatch.undo()
    assert (folder / "file").read_bytes() == b"earlier"
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_a_removed_file_may_be_gone_already(folder: Path) -> None:
    write_private(folder / "file", b"secret")
    for _ in range(2):
        remove(folder / "file")
        assert list(folder.iterdir()) == []
