"""Starts `strongroom-vault`, where the extra `strongroom[vault]` is installed."""

from __future__ import annotations

from strongroom_protocol.terminal.loading import Loading

NEEDED = (
    "click",
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
    with Loading("strongroom-vault", "vault", NEEDED):
        from strongroom_vault.cli import commands  # noqa: PLC0415 -- it imports what may be missing
    commands.main()


if __name__ == "__main__":
    main()
