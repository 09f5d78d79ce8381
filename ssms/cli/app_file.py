"""`--app FILE`: a Python file that is imported for the types that it defines."""

import importlib.util
import sys
from contextlib import redirect_stdout
from pathlib import Path

import typer

from ssms.cli.output import FAILED, print_traceback


def load_types(file: Path | None) -> None:
    """Import the file as a module of its own name, with its folder on the path, as `python FILE` would have it.

    What it prints goes to standard error, as standard output belongs to the result. An error in the file ends the
    command with its traceback.
    """
    if file is None:
        return
    path = file.resolve()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise typer.BadParameter(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    sys.modules[path.stem] = module
    try:
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except Exception as error:
        print_traceback(error, str(path))
        raise typer.Exit(FAILED) from error
