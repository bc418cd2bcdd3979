"""Commands that run a vault: serve, dev, demo."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from strongroom_vault import demo as demonstration
from strongroom_vault.cli.help import (
    Command,
    also_exits_with,
    ends_well_at_ctrl_c,
    examples,
)
from strongroom_vault.cli.options import json_option, with_settings
from strongroom_vault.cli.values import WholeNumber
from strongroom_vault.errors import WrongPin
from strongroom_vault.operator import development
from strongroom_vault.platform import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from strongroom_vault.settings.config import Settings


@ends_well_at_ctrl_c
@also_exits_with(WrongPin.exit_code)
@click.command(
    cls=Command, epilog=examples("serve", "serve --config /etc/strongroom/strongroom-vault.toml")
)
@with_settings
def serve(settings: Settings, *, as_json: bool) -> None:  # noqa: ARG001 -- see reports.fail
    """Serve clients until SIGTERM or Ctrl-C. Logs are JSON lines on stderr."""
    logs.configure()
    asyncio.run(_run_vault(settings))


async def _run_vault(
    settings: Settings, beside: Callable[[], Coroutine[Any, Any, None]] | None = None
) -> None:
    from strongroom_vault.server import server  # noqa: PLC0415 -- loads gRPC

    await server.VaultServer(settings).run(beside)


@ends_well_at_ctrl_c
@click.command(cls=Command, epilog=examples("dev", "dev --keep ~/vault"))
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the vault in this folder for next time: the same token, identity and invite.",
)
@click.option(
    "--port",
    type=WholeNumber(1, 65535),
    help="Where to listen.  [default: 7443, or a free one if it is taken]",
)
@json_option
def dev(keep: Path | None, port: int | None, *, as_json: bool) -> None:
    """Serve a throw-away vault FOR DEVELOPMENT.

    Prints what a client needs: an invite and an access token. It takes no settings, and listens on
    this machine only. Needs SoftHSM (Debian and Ubuntu: apt-get install softhsm2).
    """
    development.run(keep, port, click.echo, serve=_run_vault, as_json=as_json)


@click.command(cls=Command, epilog=examples("demo"))
def demo() -> None:
    """Show how a key is backed up, recovered and attacked.

    Needs SoftHSM (Debian and Ubuntu: apt-get install softhsm2), 250 MB in the folder for temporary
    files, and half a minute. It leaves nothing behind.
    """
    demonstration.play()


COMMANDS: Final = (serve, dev, demo)
