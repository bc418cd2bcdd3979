"""Starts `strongroom`, where the extra `strongroom[cli]` is installed."""

from __future__ import annotations

from strongroom_protocol.terminal.loading import Loading

NEEDED = ("click", "keyring", "tomlkit", "zxcvbn")


def main() -> None:
    """Run the command, or say how to install what it needs."""
    with Loading("strongroom", "cli", NEEDED):
        from strongroom.cli import commands  # noqa: PLC0415 -- it imports what may be missing
    commands.main()


if __name__ == "__main__":
    main()
