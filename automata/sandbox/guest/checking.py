"""Runs a guest's start in an ordinary Python, before the slow way to WebAssembly: its faults, and its manifest.

python -I -S -B -c "...; main(NAME, FILE)"   with the tree of the guest first on the path
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any, cast

from automata.sandbox.guest.start import Guest
from automata.sandbox.guest_exit import FAULTY


def main(name: str, file: str) -> None:
    """Write the manifest to standard output, or end with what is wrong."""
    write, leave = os.write, os._exit
    source = Path(file).read_text()
    try:
        manifest = Guest(name, source, cast("Any", None)).describe()
    except BaseException as error:  # noqa: BLE001 - whatever the user's file raises is told to its author
        write(2, _told(error, f"{name}.py").encode(errors="backslashreplace"))
        leave(FAULTY)
    write(1, manifest)
    sys.stdout = sys.stderr = cast("Any", None)
    leave(0)


def _told(error: BaseException, file: str) -> str:
    """The error with what of its traceback lies in the user's file."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return "".join([*traceback.format_list(frames), *traceback.format_exception_only(error)])
