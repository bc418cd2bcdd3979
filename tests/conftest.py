"""Fixtures for all tests. SoftHSM is never skipped: without it these fail."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from vault_process import SoftHsm, VaultFolder, VaultProcess, make_softhsm, make_vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


ALLOWED_SKIPS = ("no ../shared/vectors folder", "no node or npm", "no mount namespaces here")
"""The only reasons for which a test may be skipped; any other fails the run."""

for name in [name for name in os.environ if name.startswith("PYTHON")]:
    del os.environ[name]  # a developer's settings hide what a bare machine shows
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)  # xdist sets them, and a terminal of a test has its own size
settings.register_profile("no deadline", deadline=None)  # a busy machine lets an example wait
settings.load_profile("no deadline")
# Our vaults are not behind anybody's proxy; urllib and gRPC read this name as it is written here.
os.environ["no_proxy"] = "localhost,127.0.0.1"


def pytest_configure() -> None:
    """Say at once where these tests cannot run."""
    folder = tempfile.gettempdir()
    if "#" in folder or not folder.isprintable():
        pytest.exit(f"SoftHSM can keep no token below {folder!r}; set TMPDIR to another folder", 1)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that skips a test for another reason: a hidden hole looks like a green run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return  # a worker of pytest-xdist; its main process reports
    skipped = reporter.stats.get("skipped", [])
    reasons = {str(report.longrepr[2]) for report in skipped}
    hidden = [reason for reason in reasons if not any(ok in reason for ok in ALLOWED_SKIPS)]
    if hidden:
        reporter.write_line(f"skipped without leave: {hidden}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """One token for the whole run, without keys of a vault; SOFTHSM2_CONF names it."""
    token = make_softhsm(tmp_path_factory.mktemp("softhsm") / "token")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(token.configuration)
    yield token
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def vault_folder(tmp_path: Path) -> VaultFolder:
    """A vault of one test's own: token, keys, store, certificate; not running yet."""
    softhsm = make_softhsm(tmp_path / "token")
    return make_vault(tmp_path / "vault", softhsm)


@pytest.fixture(scope="session", params=["wrapped", "token"])
def shared_vault(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VaultProcess]:
    """A running vault for the whole run, one for each place where OPRF keys may rest.

    Tests use accounts of their own in it.
    """
    folder = tmp_path_factory.mktemp("shared")
    softhsm = make_softhsm(folder / "token")
    vault = make_vault(folder / "vault", softhsm, token={"residency": request.param})
    with vault.start() as running:
        yield running
        assert running.stop() == 0


@pytest.fixture
def account(request: pytest.FixtureRequest) -> str:
    """An account that no other test uses."""
    return f"{request.node.nodeid}"[-120:]
