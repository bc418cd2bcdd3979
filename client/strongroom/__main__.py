"""Starts `strongroom`: what takes time to load comes after Ctrl-C is taken care of."""

from __future__ import annotations

from strongroom import entry


def main() -> None:
    """Run the command."""
    entry.begin_loading()
    from strongroom import cli  # noqa: PLC0415 -- it loads for tenths of a second

    entry.end_loading()
    cli.main()


if __name__ == "__main__":
    main()
