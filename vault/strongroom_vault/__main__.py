"""Starts `strongroom-vault`, where what a vault needs beside the client is installed."""

from __future__ import annotations

import sys

from strongroom_protocol.terminal import loading

NEEDED = (
    "grpc_health",
    "grpc_reflection",
    "jwt",
    "msgspec",
    "pkcs11",
    "prometheus_client",
    "structlog",
)


def main() -> None:
    """Run the command, or say how to install what it needs."""
    loading.begin_loading()
    try:
        from strongroom_vault.cli import commands  # noqa: PLC0415 -- it imports what may be missing
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        sys.exit(
            f"strongroom-vault: a vault needs more than was installed ({error.name} is missing)."
            " Install it with: pip install 'strongroom[vault]'"
        )
    loading.end_loading()
    commands.main()


if __name__ == "__main__":
    main()
