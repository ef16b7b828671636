"""The root of the command line: finds a command's file when it is called, and turns errors into one sentence and an exit code."""

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

from tidings import __version__
from tidings.errors import Misconfigured, TidingsError

FAILED, MISCONFIGURED = 1, 3

# Only the file of the command that is called is imported: the API alone needs half a second of imports, `send` none of it.
COMMANDS = {
    "run": "Run everything on this machine: PostgreSQL, Valkey, API, workers.",
    "api": "Run an API process.",
    "worker": "Run a worker: sequencer, projections, planner, deliveries or backups.",
    "release": "Bring a new version into service, or go back.",
    "migrate": "Bring the database to this version's schema.",
    "send": "Send a notification.",
    "tail": "Follow the event log.",
    "status": "Show on one screen how all is.",
    "alive": "Say whether the process beside this one answers.",
    "doctor": "Say what is wrong with this deployment, or on the way to browsers.",
    "endpoints": "Create, list, disable and enable webhook endpoints.",
    "integrations": "Connect mail servers, chats, SMS, push, analytics.",
    "connectors": "List connectors; halt one and let it go on.",
    "flags": "Switch, roll out and explain feature flags.",
    "deliveries": "Look at deliveries, send them again, replay them.",
    "levels": "Show how deliveries end and how long they take.",
    "keys": "Create, list, rotate and revoke API keys.",
    "projects": "Create and list projects.",
    "vault": "Rotate the keys that seal credentials.",
    "backup": "Make, list, prove and restore backups.",
    "projections": "Rebuild what is derived from the event log.",
}


class Commands(click.Group):
    """Looks a command up in `tidings.cli.NAME`, where it is called `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"tidings.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **options: Any) -> Any:  # type: ignore[override]
        try:
            return super().main(args, prog_name or "tidings", **options)
        except TidingsError as error:
            click.echo(f"tidings: {error}", err=True)
            sys.exit(MISCONFIGURED if isinstance(error, Misconfigured) else FAILED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tidings", message="%(prog)s %(version)s")
def main() -> None:
    """Tidings: one API call, and the right people learn of it at once.

    Settings are read from TIDINGS_* variables of the environment.

    \b
    Example:
      tidings run
    """
