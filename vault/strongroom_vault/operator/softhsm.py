"""A SoftHSM token in a folder, made whole or not at all.

`init-token.sh`, which comes with this package, makes it in a draft folder, which is renamed when it
is on disk. So whatever interrupts it, the folder has a token or does not exist.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.files import reason, sync_folder, sync_tree

INIT_TOKEN: Final = Path(__file__).with_name("init-token.sh")
LABEL: Final = "strongroom"
_DRAFT: Final = ".token-draft-"
_CONFIGURATION: Final = "softhsm2.conf"
_SETTINGS: Final = "settings.toml"


@dataclass(frozen=True, slots=True)
class SoftHsm:
    """A token.

    Attributes:
        module: path of SoftHSM's PKCS#11 module.
        folder: has all the token's files.
    """

    module: Path
    folder: Path

    @property
    def pin_file(self) -> Path:
        """The user PIN, mode 0600."""
        return self.folder / "user.pin"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that the module needs."""
        return {"SOFTHSM2_CONF": str(self.folder / _CONFIGURATION)}


def ensure_token(folder: Path) -> SoftHsm:
    """Return the token in a folder, which is made, with random PINs, if it is missing.

    Args:
        folder: absolute; its parent exists, and no other caller uses it meanwhile.

    Raises:
        OperatorError: SoftHSM is missing, or the token cannot be made or was not made here.
    """
    try:
        if not folder.exists():
            _make(folder)
        text = (folder / _SETTINGS).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise OperatorError(f"{folder} exists, and is not a token that was made here") from error
    except OSError as error:
        raise OperatorError(f"cannot make a token in {folder}: {reason(error)}") from error
    return SoftHsm(Path(tomllib.loads(text)["token"]["module"]), folder)


def usable_tmp() -> str:
    """Return the folder for temporary files, or /tmp where SoftHSM could not read that one."""
    folder = tempfile.gettempdir()
    return folder if folder.isprintable() and "#" not in folder else "/tmp"  # noqa: S108 -- a folder of its own is made in it


def _make(folder: Path) -> None:
    for left in folder.parent.glob(f"{_DRAFT}*"):
        shutil.rmtree(left)  # of an interrupted run; no vault has used it
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder.parent))
    try:
        (draft / _SETTINGS).write_text(_run(draft).replace(str(draft), str(folder)), "utf-8")
        configuration = draft / _CONFIGURATION
        text = configuration.read_text(encoding="utf-8")
        configuration.write_text(text.replace(str(draft), str(folder)), encoding="utf-8")
        sync_tree(draft)  # SoftHSM does not sync its files
        draft.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _run(draft: Path) -> str:
    """Make a token in an empty folder; return the settings that the script prints."""
    done = subprocess.run(  # noqa: S603 -- our own script
        ["sh", INIT_TOKEN, draft, LABEL],  # noqa: S607 -- the system's sh
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OperatorError(done.stderr.strip() or f"{INIT_TOKEN.name} failed")
    return done.stdout
