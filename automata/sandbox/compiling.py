"""Compiles a module in a process of its own, which may use so much time and memory and no more.

A small file can ask for any amount of work. Run as `python -m automata.sandbox.compiling KIND SOURCE TARGET`.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from wasmtime import Module, WasmtimeError
from wasmtime.component import Component

from automata.errors import ModuleRefused
from automata.printable import printable
from automata.sandbox.machine import machine
from automata.sandbox.record import CORE

SECONDS_MAX = 120
MEMORY_BYTES_MAX = 4 << 30
FILE_BYTES_MAX = 1 << 30
_INVALID = 3
_TEXT_MAX = 2000


def compile_module(kind: str, source: Path, target: Path) -> None:
    """Write the compiled form of the module in `source` to `target`. Raises ModuleRefused."""
    descriptor, partial = tempfile.mkstemp(dir=target.parent, suffix=".partial")
    os.close(descriptor)
    try:
        _run(kind, source, Path(partial))
        Path(partial).rename(target)
    finally:
        Path(partial).unlink(missing_ok=True)


def _run(kind: str, source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "automata.sandbox.compiling", kind, str(source), str(target)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=2 * SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModuleRefused(f"the module takes more than {2 * SECONDS_MAX} s to compile") from None
    if done.returncode == _INVALID:
        raise ModuleRefused(f"the module is no valid WebAssembly: {printable(done.stdout[-_TEXT_MAX:])}")
    if done.returncode:
        raise ModuleRefused(
            f"the module cannot be compiled in {SECONDS_MAX} s and {MEMORY_BYTES_MAX >> 30} GiB: "
            f"{printable(done.stderr[-_TEXT_MAX:]) or done.returncode}"
        )


def _main(kind: str, source: str, target: str) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_MAX, SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    data = Path(source).read_bytes()
    try:
        if kind == CORE:
            compiled = Module(machine().core_engine, data).serialize()
        else:
            compiled = Component(machine().component_engine, data).serialize()
    except WasmtimeError as error:
        sys.stdout.write(str(error))
        return _INVALID
    with Path(target).open("wb") as file:
        file.write(compiled)
        file.flush()
        os.fsync(file.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
