"""gRPC's own log: silent, unless somebody asked for it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tls_servers import certificate, serving, shakes_hands

if TYPE_CHECKING:
    from pathlib import Path


QUIET = """
import os, sys
from strongroom import StrongroomError, Vault
before = dict(os.environ)
try:
    with Vault.connect(sys.argv[1], access_token="e30.e30.c2ln", timeout=30) as vault:
        vault.status()
except StrongroomError as error:
    print(error.cause)
assert dict(os.environ) == before
"""


@pytest.mark.parametrize("chosen", [None, "INFO"])
def test_grpc_writes_nothing_unless_somebody_asked_for_it(
    tmp_path: Path, chosen: str | None
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    if chosen is not None:
        environment["GRPC_VERBOSITY"] = chosen
    with serving(shakes_hands(certificate(tmp_path))) as port:
        done = subprocess.run(
            [sys.executable, "-c", QUIET, f"localhost:{port}"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert done.stdout == "certificate_untrusted\n"
    assert bool(done.stderr) == (chosen is not None)
