"""Each test of this folder runs natively and in a sandbox."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.behaviour.kinds import SOURCE, Native, Sandboxed


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Sandboxed:
    """Built once: it takes ten seconds, and as many more to compile."""
    folder = tmp_path_factory.mktemp("behaviour")
    target = folder / "objects.wasm"
    subprocess.run([sys.executable, "-m", "ssms", "build", str(SOURCE), "-o", str(target)], check=True)
    return Sandboxed(target, folder / "modules")


@pytest.fixture(params=["native", "sandboxed"])
def kind(request: pytest.FixtureRequest) -> Native | Sandboxed:
    """Both ways to run the types."""
    return Native() if request.param == "native" else request.getfixturevalue("built")
