"""`--app FILE`: a Python file that is imported for the types that it defines."""

import importlib
import importlib.util
import sys
from contextlib import redirect_stdout
from pathlib import Path

import typer

from ssms.cli.output import FAILED, print_traceback


def load_types(file: Path | None) -> None:
    """Import the file as the module that it is for programs: of its own name, or within the package that it is in.

    The folder from where programs import it is on the path then, as `python FILE` would have it. What it prints goes to
    standard error, as standard output belongs to the result. An error in it ends the command with its traceback.
    """
    if file is None:
        return
    path = file.resolve()
    if path.suffix != ".py":
        raise typer.BadParameter(f"{file} is no Python file")
    name, folder = _module_of(path)
    sys.path.insert(0, str(folder))
    try:
        with redirect_stdout(sys.stderr):
            if "." in name:
                importlib.import_module(name)
            else:
                _run(name, path)
    except Exception as error:
        print_traceback(error, str(path))
        raise typer.Exit(FAILED) from error


def _module_of(path: Path) -> tuple[str, Path]:
    """The name of the file's module, with the packages that it is in, and the folder that has the outermost."""
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").exists():
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names).removesuffix(".__init__"), folder


def _run(name: str, path: Path) -> None:
    """Import a file that is in no package, also where an installed module has its name."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
