"""The `wireloom` command: what commands there are."""

from typing import Final

import typer

from wireloom.cli.call import call
from wireloom.cli.check import check
from wireloom.cli.emit import emit
from wireloom.cli.routes import routes
from wireloom.cli.run import run

__all__ = ["main"]

COMMANDS: Final = (run, routes, check, call, emit)

cli = typer.Typer(
    help="Run, inspect and talk to Wireloom applications.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in COMMANDS:
    # A payload such as -5 is no option.
    cli.command(context_settings={"ignore_unknown_options": True})(command)


def main() -> None:
    """Run the command that stands in `sys.argv`.

    :raises SystemExit: always; 0 when all went well.
    """
    cli(prog_name="wireloom")
