"""The program `strongroom-vault`. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import sys

import click

from strongroom_protocol import __version__
from strongroom_protocol.terminal import streams
from strongroom_protocol.terminal.loading import INTERRUPTED
from strongroom_vault.cli import checks, development, init, ledger, reports, running, serving
from strongroom_vault.cli.help import PROGRAM, Group, examples, help_width
from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.hardening import harden


def main() -> None:
    """Run the command; an error is a sentence (or JSON) and its exit code, never a traceback."""
    streams.prepare()
    harden()  # most commands hold the PIN
    try:
        width = help_width()
        code = cli.main(prog_name=PROGRAM, standalone_mode=False, terminal_width=width) or 0
    except OperatorError as error:
        code = reports.fail(str(error), error.hint, error.exit_code)
    except click.UsageError as error:
        code = _fail_usage(error)
    except click.Abort as error:
        is_interrupted = isinstance(error.__cause__, KeyboardInterrupt)
        code = reports.fail("aborted", "", INTERRUPTED if is_interrupted else 1)
    except OSError as error:
        if error.filename != "stdout":
            raise
        code = reports.fail(f"cannot write to stdout: {error.strerror}", "", 1)
    sys.exit(code)


def _fail_usage(error: click.UsageError) -> int:
    """Say how a command is used; a command without arguments shows its help."""
    if not reports.wants_json(sys.argv[1:]):
        error.show()
        return error.exit_code
    hint = "" if error.ctx is None else f"See {error.ctx.command_path} --help."
    return reports.fail(error.format_message(), hint, error.exit_code)


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("doctor", "init", "serve", "status --json"),
)
@click.version_option(__version__)
def cli() -> None:
    """Run a Strongroom vault with a PKCS#11 token.

    The settings come from one file (--config, or STRONGROOM_VAULT_CONFIG). With --json, a command
    reports as JSON on stdout, and why it failed as JSON on stderr.
    """


for module in (init, serving, running, ledger, checks, development):
    for command in module.COMMANDS:
        cli.add_command(command)
