"""From a Python file with `@object_type` classes to a WebAssembly component that `app.upload` takes.

componentize-py runs the guest's start in CPython for WebAssembly, and what its memory holds then is the module. WASI is
stubbed, so the module imports nothing but the interface of its host (`guest/world.wit`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from automata.errors import DeclarationError, InvalidArgument, StateError
from automata.sandbox.guest_exit import FAULTY
from automata.sandbox.tree import APP, SOURCE, WORLD, lay_out
from automata.sandbox.trimming import trimmed

_CHECK_SECONDS_MAX = 60
_BUILD_SECONDS_MAX = 900
_LINES_SHOWN = 30
_CHECK = (
    "import sys; sys.path.insert(0, sys.argv[1]); from automata.sandbox.guest.checking import main; main(*sys.argv[2:])"
)
_COMPONENTIZE = "import sys; from componentize_py import script; sys.exit(script())"


def build(source: Path, target: Path) -> bytes:
    """Build the module of one file, which is all of it besides the standard library. Returns its manifest, as JSON.

    Raises DeclarationError for a file that cannot be a guest, with the line at fault; StateError where
    componentize-py is not installed, or fails.
    """
    _check_name(source)
    if find_spec("componentize_py") is None:
        raise StateError("building a sandboxed class needs componentize-py: pip install 'durable-automata[guest]'")
    with tempfile.TemporaryDirectory(prefix="ssms-build-") as folder:
        tree = Path(folder) / "guest"
        tree.mkdir()
        lay_out(source, tree)
        manifest = check(source, tree)
        built = Path(folder) / "guest.wasm"
        _componentize(source, tree, built)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.partial")
        partial.write_bytes(trimmed(built.read_bytes()))
        partial.replace(target)
    return manifest


def check(source: Path, tree: Path) -> bytes:
    """The manifest of a guest whose files lie in `tree`, found out without WebAssembly. Raises DeclarationError."""
    command = [sys.executable, "-I", "-S", "-B", "-c", _CHECK, str(tree), source.stem, str(tree / SOURCE)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_CHECK_SECONDS_MAX, check=False, cwd=tree)
    except subprocess.TimeoutExpired:
        raise DeclarationError(
            f"{source.name} was run for {_CHECK_SECONDS_MAX} s to see what it declares, and went on: what stands at "
            "the top of the file must come to an end"
        ) from None
    if done.returncode == 0:
        return done.stdout
    text = _last_lines(done.stderr)
    if done.returncode == FAULTY:
        raise DeclarationError(f"{source.name} cannot run in a sandbox:\n{text}")
    raise StateError(f"{source.name} could not be checked:\n{text}")


def _componentize(source: Path, tree: Path, built: Path) -> None:
    nothing = tree.parent / "nothing"  # where componentize-py looks for installed packages: a guest has none
    (nothing / "lib/python3/site-packages").mkdir(parents=True)
    command = [sys.executable, "-c", _COMPONENTIZE, "-q", "-d", str(WORLD), "-w", "automaton", "componentize"]
    command += ["--stub-wasi", "-p", str(tree), "-o", str(built), APP]
    environment = {**os.environ, "VIRTUAL_ENV": str(nothing)}
    done = subprocess.run(
        command, capture_output=True, timeout=_BUILD_SECONDS_MAX, check=False, env=environment, cwd=tree.parent
    )
    if done.returncode != 0 or not built.exists():
        raise StateError(
            f"{source.name} could not be made a WebAssembly module, though it runs here as Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}; a guest is Python 3.14:\n{_last_lines(done.stderr)}"
        )


def _check_name(source: Path) -> None:
    if source.suffix != ".py" or not source.is_file():
        raise InvalidArgument(f"{source} is no Python file")
    taken = sys.stdlib_module_names | {"automata", "darq", "ssms", "msgspec", "pydantic", "cronsim", "sortedcontainers"}
    if source.stem in taken:
        raise InvalidArgument(f"{source.name} has the name of a module that it may need: rename it")


def _last_lines(data: bytes) -> str:
    lines = data.decode(errors="replace").rstrip().splitlines()
    return "\n".join(lines[-_LINES_SHOWN:])
