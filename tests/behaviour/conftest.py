"""Each test of this folder runs natively and in a sandbox."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.behaviour.kinds import SOURCE, Native, Sandboxed
from tests.core_modules import shelve


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built and compiled once, which takes ten seconds each."""
    folder = tmp_path_factory.mktemp("behaviour")
    target = folder / "objects.wasm"
    subprocess.run([sys.executable, "-m", "ssms", "build", str(SOURCE), "-o", str(target)], check=True)
    shelve(folder / "modules", target.read_bytes())
    return target


@pytest.fixture(params=["native", "sandboxed"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Native | Sandboxed:
    """Both ways to run the types."""
    if request.param == "native":
        return Native()
    module: Path = request.getfixturevalue("built")
    return Sandboxed(module, module.parent / "modules", tmp_path / "modules")
