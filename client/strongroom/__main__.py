"""Starts `strongroom`: what takes time to load comes after Ctrl-C is taken care of."""

from __future__ import annotations

from strongroom_protocol.terminal import loading


def main() -> None:
    """Run the command."""
    loading.begin_loading()
    from strongroom.cli import commands  # noqa: PLC0415 -- it loads for tenths of a second

    loading.end_loading()
    commands.main()


if __name__ == "__main__":
    main()
