"""A real vault for tests: a throw-away SoftHSM token, settings, TLS, an issuer, and the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from strongroom import Vault
from strongroom_vault.operator import development_ca, issuer
from strongroom_vault.settings.loading import load
from strongroom_vault.settings.token_settings import TokenSettings

if TYPE_CHECKING:
    from strongroom_vault.settings.config import Settings

REPOSITORY: Final = Path(__file__).parents[2]
VAULT_ID: Final = "vault.test"
SCOPES: Final = "register recover read delete"
START_TIMEOUT_S: Final = 60


@dataclass(frozen=True, slots=True)
class SoftHsm:
    """A token made by `softhsm-setup/init-token.sh`, all of it in one folder."""

    folder: Path
    module: str
    label: str

    @property
    def configuration(self) -> Path:
        """What SOFTHSM2_CONF must say."""
        return self.folder / "softhsm2.conf"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs that opens the token."""
        return {"SOFTHSM2_CONF": str(self.configuration)}

    @property
    def pin_file(self) -> Path:
        """The user PIN."""
        return self.folder / "user.pin"

    def settings(self) -> TokenSettings:
        """What a worker is told."""
        return TokenSettings(self.module, self.label, str(self.pin_file))


def make_softhsm(folder: Path, label: str = "strongroom-test") -> SoftHsm:
    """Make a token with the script that developers use; fails where SoftHSM is missing."""
    script = REPOSITORY / "softhsm-setup" / "init-token.sh"
    made = subprocess.run(
        [str(script), str(folder), label], check=True, capture_output=True, text=True
    )
    line = next(line for line in made.stdout.splitlines() if line.startswith("module = "))
    return SoftHsm(folder, json.loads(line.removeprefix("module = ")), label)


@dataclass(slots=True)
class VaultFolder:
    """Everything that one vault needs, in a folder; `start` runs it as a process of its own."""

    folder: Path
    softhsm: SoftHsm
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def settings_file(self) -> Path:
        """The vault's settings."""
        return self.folder / "strongroom-vault.toml"

    @property
    def certificate(self) -> Path:
        """What clients trust."""
        return self.folder / development_ca.CERTIFICATE_FILE

    @property
    def database(self) -> Path:
        """The store."""
        return self.folder / "vault.db"

    def environment(self) -> dict[str, str]:
        """The environment of a process that uses this vault's token."""
        return {**os.environ, **self.softhsm.environment}

    def settings(self) -> Settings:
        """The settings as the vault reads them."""
        return load(self.settings_file, {})

    def access_token(
        self,
        account: str = "alice",
        scope: str = SCOPES,
        lifetime_s: int = 600,
        vault_id: str = VAULT_ID,
    ) -> str:
        """An access token of the vault's trusted issuer."""
        return issuer.issue(self.folder, vault_id, account, scope, lifetime_s)

    def command(self, *arguments: str) -> list[str]:
        """`strongroom-vault` with this vault's settings file."""
        program = "from strongroom_vault.cli.commands import main; main()"
        return [sys.executable, "-c", program, *arguments, "--config", str(self.settings_file)]

    def operator(
        self, *arguments: str, typed: str = "", code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run `strongroom-vault` to its end, which must be this exit code without a traceback."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def start(
        self, program: list[str] | None = None, environment: dict[str, str] | None = None
    ) -> VaultProcess:
        """Run the vault, and wait until it serves."""
        log = self.folder / "vault.log"
        with log.open("ab") as stderr:
            begins = stderr.tell()
            process = subprocess.Popen(
                program or self.command("serve"),
                env={**self.environment(), **(environment or {})},
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return VaultProcess(self, process, _port(process, log, begins))


@dataclass(slots=True)
class VaultProcess:
    """A vault that runs."""

    folder: VaultFolder
    process: subprocess.Popen[bytes]
    port: int

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"localhost:{self.port}"

    def connect(
        self,
        account: str = "alice",
        *,
        access_token: str | None = None,
        identity: str | None = None,
        timeout: float = 30.0,
    ) -> Vault:
        """A client of an account."""
        return Vault.connect(
            self.address,
            access_token=access_token or self.folder.access_token(account),
            ca_certificates=self.folder.certificate,
            identity=identity,
            timeout=timeout,
        )

    def is_serving(self) -> bool:
        """Whether its health service says so."""
        roots = grpc.ssl_channel_credentials(self.folder.certificate.read_bytes())
        options = (("grpc.use_local_subchannel_pool", 1),)
        with grpc.secure_channel(self.address, roots, options=options) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def workers(self) -> list[int]:
        """The process ids of its token workers."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]

    def log(self) -> str:
        """All that this folder's vaults have logged."""
        return (self.folder.folder / "vault.log").read_text()

    def stop(self) -> int:
        """End it as an operator does; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """kill -9, and its workers notice."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def prepare_vault(folder: Path, softhsm: SoftHsm, **tables: dict[str, Any]) -> VaultFolder:
    """Make settings (`tables` over the defaults), a certificate, an issuer: all but init."""
    folder.mkdir(parents=True, exist_ok=True)
    vault = VaultFolder(folder, softhsm)
    vault.tables = _tables(softhsm, tables)
    vault.settings_file.write_text(_toml(vault.tables))
    development_ca.create_self_signed(folder, ("localhost", "127.0.0.1"))
    issuer.create_issuer(folder)
    return vault


def make_vault(folder: Path, softhsm: SoftHsm, **tables: dict[str, Any]) -> VaultFolder:
    """Make a vault: what `prepare_vault` makes, keys, store."""
    vault = prepare_vault(folder, softhsm, **tables)
    vault.operator("init", "--yes")
    return vault


def _tables(softhsm: SoftHsm, over: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {
        "vault": {"id": VAULT_ID},
        "token": {
            "module": softhsm.module,
            "label": softhsm.label,
            "pin_file": str(softhsm.pin_file),
            "workers": 2,
        },
        "store": {"path": "vault.db"},
        "listen": {
            "address": "localhost:0",
            "certificate_file": development_ca.CERTIFICATE_FILE,
            "key_file": development_ca.KEY_FILE,
            "admin_socket": "admin.sock",
        },
        "access_tokens": {"jwks_file": issuer.SET_FILE},
    }
    for name, values in over.items():
        tables.setdefault(name, {}).update(values)
    return tables


def _toml(tables: dict[str, dict[str, Any]]) -> str:
    """JSON's strings, numbers, booleans and lists are TOML's too."""
    sections = (
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )
    return "\n".join(sections)


def _port(process: subprocess.Popen[bytes], log: Path, begins: int) -> int:
    """Read the log until the vault says on which port it serves."""
    ends_at = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < ends_at:
        lines = log.read_bytes()[begins:].decode().splitlines()
        for line in lines:
            if '"event": "serving"' in line:
                return int(json.loads(line)["port"])
        if process.poll() is not None:
            raise RuntimeError(f"the vault ended with {process.returncode}: {lines}")
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise RuntimeError("the vault does not start")
