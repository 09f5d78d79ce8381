"""The command put together."""

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from ssms.cli.bench import bench
from ssms.cli.build import build
from ssms.cli.call import call
from ssms.cli.dead import app as dead
from ssms.cli.demo import demo
from ssms.cli.deploy import deploy
from ssms.cli.down import down
from ssms.cli.explain import explain
from ssms.cli.log import log
from ssms.cli.move import move
from ssms.cli.nodes import drain, drop, join
from ssms.cli.ps import ps
from ssms.cli.run import run
from ssms.cli.show import show
from ssms.cli.status import status
from ssms.cli.up import up
from ssms.cli.upload import upload

_DISTRIBUTION = "durable-automata"
_FOREIGN = {"ignore_unknown_options": True}  # negative numbers, and the options of somebody else's program

app = typer.Typer(
    name="ssms",
    help="Durable objects for Python: run them, call them, look at them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if not asked:
        return
    try:
        typer.echo(f"ssms {version(_DISTRIBUTION)}")
    except PackageNotFoundError:
        typer.echo(f"ssms, from sources: {_DISTRIBUTION} is not installed")
    raise typer.Exit


@app.callback()
def _options(
    shown: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What the command itself takes; `_print_version` has done it by now."""


app.command()(demo)
app.command(context_settings=_FOREIGN)(run)
app.command(context_settings=_FOREIGN)(call)
app.command()(ps)
app.command()(show)
app.command()(log)
app.add_typer(dead, name="dead")
app.command()(bench)
app.command()(build)
app.command()(upload)
for cluster_command in (up, down, status, deploy, move, explain, join, drain, drop):
    app.command()(cluster_command)


def main() -> None:
    """Run the command that `sys.argv` asks for, and exit."""
    app()
