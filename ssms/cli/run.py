"""`ssms run FILE`: a Python program with an app open around it."""

import os
import re
import runpy
import sys
from pathlib import Path
from typing import Annotated

import typer

import ssms
from darq.errors import StoreLocked
from ssms.cli.options import Common, takes
from ssms.cli.output import FAILED, print_traceback, reported
from ssms.cli.signals import interruptible

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Python file.")]
ArgsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ARGS]...", help="What FILE finds in sys.argv; behind a -- also our own options."),
]


@takes("store", "json")
def run(file: FileArgument, args: ArgsArgument = None, *, common: Common) -> None:
    """Run a Python file with the store open, so that refs in it work as they are.

    FILE runs as `python FILE ARGS...` would run it: as __main__, in the main thread, with its own sys.argv and its
    folder first on sys.path. Beside that it finds the open app under the global name `app`; in synchronous code
    `app.run(ref(User, "alice").rename("Al"))` calls, in async code (`asyncio.run(main())`) `await` does. The app is
    closed when FILE ends. Ctrl-C and SIGTERM raise KeyboardInterrupt in it; methods that run may finish, or are
    rolled back, and the command exits in under a second. A program that opens an app itself is run by `python FILE`.

    Example: ssms run examples/add.py --store ./data, where examples/add.py is the one line

    from counter import Counter; print(app.run(app.ref(Counter, "visits").add(1)))
    """
    with reported(common.json), interruptible(ssms.open(common.store)) as app:
        store = common.store.resolve()
        try:
            code = _run_as_main(file, args or [], app)
        except StoreLocked as error:
            if not _is_held_here(store, error):
                print_traceback(error, str(file))
                raise typer.Exit(FAILED) from error
            raise StoreLocked(
                f"this process has {common.store} open already: use the app that `ssms run` gives (the global `app`)"
            ) from error
    if code:
        raise typer.Exit(code)


def _run_as_main(file: Path, args: list[str], app: ssms.App) -> int:
    """Run the file, and give the exit code that it asked for."""
    argv, path = sys.argv, sys.path[:]
    sys.argv, sys.path[:0] = [str(file), *args], [str(file.resolve().parent)]
    try:
        runpy.run_path(str(file), init_globals={"app": app}, run_name="__main__")
    except SystemExit as leaving:
        return _exit_code(leaving)
    except StoreLocked:
        raise
    except Exception as error:  # noqa: BLE001 - a fault of the file, told as Python tells it
        print_traceback(error, str(file))
        return FAILED
    finally:
        sys.argv, sys.path[:] = argv, path
    return 0


def _is_held_here(store: Path, error: StoreLocked) -> bool:
    """Whether the file was refused the store that this command holds for it."""
    said = re.fullmatch(r"the store (.*) is held by process (\d+) .*", str(error), re.DOTALL)
    return said is not None and int(said[2]) == os.getpid() and Path(said[1]).resolve() == store


def _exit_code(leaving: SystemExit) -> int:
    if leaving.code is None or isinstance(leaving.code, int):
        return leaving.code or os.EX_OK
    typer.echo(leaving.code, err=True)
    return FAILED
