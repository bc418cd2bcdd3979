"""Options that many commands share."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from strongroom_vault.settings import loading

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_vault.settings.config import Settings

settings_option: Final = click.option(
    "--config",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False, readable=False),  # loading says more
    default=Path("strongroom-vault.toml"),
    show_default=True,
    envvar="STRONGROOM_VAULT_CONFIG",
    help="The settings file.",
)
json_option: Final = click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
yes_option: Final = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
folder_argument: Final = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --config and --json; it gets the settings, loaded, as its first argument."""

    @settings_option
    @json_option
    @functools.wraps(command)
    def run(*, settings_file: Path, **options: object) -> None:
        command(load(settings_file), **options)

    return run


def load(settings_file: Path) -> Settings:
    """Load the settings, overridden by the environment.

    Raises:
        OperatorError: they cannot be read, or are wrong.
    """
    return loading.load(settings_file, os.environ)
