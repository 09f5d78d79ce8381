"""Scripts that tests run in processes of their own, each of which knows only what lies in its folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[3]


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files, whose paths are relative to the folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run(code: str, folder: Path, name: str) -> str:
    """Run code as the script `name` of the folder. Gives what it prints."""
    script = folder / name
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=folder,
        env={"PYTHONPATH": str(_ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
