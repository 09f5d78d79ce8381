"""Traps are none of the process's signals: whoever installs handlers after wasmtime did must not end the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

TRAPS = ["dividing by zero", "reading beyond its memory", "calling nothing through a table", "endless recursion"]

_PROGRAM = """
import asyncio, ctypes, signal, sys, tempfile
from pathlib import Path
from tests.core_modules import modules_app
from tests.hostile.attacks import ATTACKS, CEILING
from tests.hostile.survivor import survives
from automata.sandbox.machine import machine

machine().core_engine
for number in (signal.SIGILL, signal.SIGSEGV, signal.SIGFPE, signal.SIGBUS, signal.SIGTRAP):
    ctypes.CDLL(None).signal(number, None)  # the default, which ends the process

async def main(folder):
    async with modules_app(folder, limits=CEILING) as app:
        for name in sys.argv[1:]:
            await survives(app, folder, ATTACKS[name])

with tempfile.TemporaryDirectory() as name:
    asyncio.run(main(Path(name)))
print("alive")
"""


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_survives_handlers_of_others(name: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, name], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "alive\n", (done.returncode, done.stderr)
