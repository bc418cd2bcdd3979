"""A second, independent token: NSS softokn, reached through p11-kit's proxy.

p11-kit reads which modules there are from the user's own settings, so nothing of the machine
changes. For root it does not read them; a process of root's takes nobody's real user id for that.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom_vault.settings.token_settings import TokenSettings

LABEL: Final = "NSS Certificate DB"
NOBODY: Final = 65534
LIBRARIES: Final = (Path("/usr/lib"), Path("/usr/lib64"))


@dataclass(frozen=True, slots=True)
class NssToken:
    """A token in one folder."""

    folder: Path
    module: str
    label: str = LABEL

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs that opens the token."""
        return {"XDG_CONFIG_HOME": str(self.folder / "config")}

    def settings(self) -> TokenSettings:
        """What a worker is told."""
        return TokenSettings(self.module, self.label, str(self.folder / "user.pin"))


def make_nss(folder: Path) -> NssToken:
    """Make a token; `folder` must lie where everybody may go. Fails where NSS is missing."""
    database, modules = folder / "db", folder / "config" / "pkcs11" / "modules"
    for path in (database, modules):
        path.mkdir(parents=True)
    pin_file = folder / "user.pin"
    pin_file.touch(0o600)
    pin_file.write_text(secrets.token_hex(16))
    made = ["certutil", "-N", "-d", f"sql:{database}", "-f", str(pin_file)]
    subprocess.run(made, check=True, capture_output=True)
    quoted = str(database).replace("\\", r"\\").replace("'", r"\'")
    (modules / "nss.module").write_text(
        f"module: {_library('libsoftokn3.so')}\n"
        f"x-init-reserved: configdir='sql:{quoted}' certPrefix='' keyPrefix=''"
        " secmod='secmod.db' flags=\n"
        "critical: yes\n"
    )
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, -1)
    return NssToken(folder, str(_library("p11-kit-proxy.so")))


def pretend_not_root() -> None:
    """Keep the rights of root, under the real user id of nobody: p11-kit looks at that alone."""
    if os.getuid() == 0:
        os.setresuid(NOBODY, 0, 0)


def _library(name: str) -> Path:
    found = [path for folder in LIBRARIES for path in folder.glob(f"**/{name}")]
    if not found:
        raise FileNotFoundError(f"no {name}; scripts/setup.sh installs it")
    return found[0]
