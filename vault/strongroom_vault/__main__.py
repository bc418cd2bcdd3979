"""Starts `strongroom-vault`, where what a vault needs beside the client is installed."""

from __future__ import annotations

import sys

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
    try:
        from strongroom_vault import cli  # noqa: PLC0415 -- it imports what may be missing
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        sys.exit(f"strongroom-vault: {error.name} is missing: install 'strongroom[vault]' instead")
    except KeyboardInterrupt:
        sys.exit(130)  # while it is imported; later it is cli's to say
    cli.main()


if __name__ == "__main__":
    main()
