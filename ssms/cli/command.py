"""The command put together."""

import typer

from ssms.cli.bench import bench
from ssms.cli.call import call
from ssms.cli.demo import demo
from ssms.cli.log import log
from ssms.cli.ps import ps
from ssms.cli.run import run
from ssms.cli.show import show

_FOREIGN = {"ignore_unknown_options": True}  # negative numbers, and the options of somebody else's program

app = typer.Typer(
    name="ssms",
    help="Durable objects for Python: run them, call them, look at them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command(context_settings=_FOREIGN)(run)
app.command(context_settings=_FOREIGN)(call)
app.command()(ps)
app.command()(show)
app.command()(log)
app.command()(bench)


def main() -> None:
    """Run the command that `sys.argv` asks for, and exit."""
    app()
