"""The programs in `examples/` as modules of one test: what they define is forgotten after it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from automata.types import REGISTRY

FOLDER = Path(__file__).parents[1] / "examples"


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example `name`, imported anew: its types are all that the application has."""
    spec = importlib.util.spec_from_file_location(f"examples.{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(REGISTRY, "_types", {})
    monkeypatch.setattr(REGISTRY, "newest", {})
    monkeypatch.syspath_prepend(FOLDER)  # an example may import another, as when it is run
    monkeypatch.setitem(sys.modules, spec.name, module)  # where annotations are resolved
    spec.loader.exec_module(module)
    return module
