"""Programs written for `ssms.open(path)`, run unchanged on a cluster: any path names it, in all their processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.integration.command_line import ROOT, Done

CUSTOMIZE = """
import os
import ssms

def open(path, **others):
    return ssms.connect(os.environ["SSMS_ON_CLUSTER"])

ssms.open = open
"""


def run(program: Path, address: str, meanwhile: Callable[[], None], seconds_max: float) -> Done:
    """Run a program to its end. meanwhile: is called again and again until then."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sitecustomize.py").write_text(CUSTOMIZE)
        environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "SSMS_ON_CLUSTER": address}
        with (
            (Path(folder) / "out").open("w+") as out,
            (Path(folder) / "err").open("w+") as err,
            subprocess.Popen([sys.executable, program], env=environment, stdout=out, stderr=err, text=True) as process,
        ):
            try:
                _wait(process, meanwhile, seconds_max)
            finally:
                process.kill()
            out.seek(0)
            err.seek(0)
            return Done(process.returncode, out.read(), err.read())


def _wait(process: subprocess.Popen[str], meanwhile: Callable[[], None], seconds_max: float) -> None:
    turns = int(seconds_max)
    for _ in range(turns):
        try:
            process.wait(timeout=seconds_max / turns)
        except subprocess.TimeoutExpired:
            meanwhile()
        else:
            return
