"""The files of a guest: the sources of `automata` and `darq` as they are here, with what stands in for the rest."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_GUEST = Path(__file__).parent / "guest"
_PACKAGES = ("automata", "darq")
_BUNDLED = ("cronsim", "sortedcontainers")  # libraries in plain Python: they go along as they are
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "testing", "stand_ins", "*.pyc", "*.wasm")

_APP = """\
from pathlib import Path

import wit_world
from automata.sandbox.guest.start import Guest
from wit_world.imports import host

guest = Guest({name!r}, (Path(__file__).parent / "user_source.txt").read_text(), host)


class WitWorld(wit_world.WitWorld):
    def describe(self) -> bytes:
        return guest.describe()

    def run(self, task: bytes) -> bytes:
        return guest.run(task)
"""

APP = "guest_app"
"""The module that a component is made of."""

SOURCE = "user_source.txt"
"""The user's file, which is no module of the tree: it is run under its own name."""

WORLD = _GUEST / "world.wit"


def lay_out(source: Path, tree: Path) -> None:
    """Put all files of the guest of one source file into an empty folder."""
    for package in _PACKAGES:
        shutil.copytree(_ROOT / package, tree / package, ignore=_LEFT_OUT)
    for init in ("darq/__init__.py", "automata/sandbox/__init__.py"):
        (tree / init).write_text("")  # what they re-export is the host's
    shutil.copy(_GUEST / "names.py", tree / "automata/__init__.py")
    shutil.copytree(_GUEST / "stand_ins", tree, ignore=_LEFT_OUT, dirs_exist_ok=True)
    (tree / "__init__.py").unlink()
    for library in _BUNDLED:
        spec = find_spec(library)
        assert spec is not None, f"{library} is a dependency of this package"
        assert spec.origin is not None, f"{library} is a package of files"
        shutil.copytree(Path(spec.origin).parent, tree / library, ignore=_LEFT_OUT)
    shutil.copy(source, tree / SOURCE)
    (tree / f"{APP}.py").write_text(_APP.format(name=source.stem))
