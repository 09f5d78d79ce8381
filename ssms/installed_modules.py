"""Which modules hosts are expected to have, and which are of a user's own project."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

_INSTALLED = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_OURS = frozenset({"darq", "automata", "ssms"})


def is_installed(module: str) -> bool:
    """Whether hosts are expected to have a module: it is Python's, a package's in site-packages, or of this one."""
    if module.partition(".")[0] in _OURS or module in sys.builtin_module_names:
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return module != "__main__" and file is not None and _within(Path(file), _INSTALLED)


def is_own(module: str) -> bool:
    """Whether an imported module is of the user's own project, and known to be: modules made of nothing are not."""
    found = sys.modules.get(module)
    if found is None or is_installed(module):
        return False
    if module == "__main__" or getattr(found, "__file__", None) is not None:
        return True
    return any(not _within(Path(folder), _INSTALLED) for folder in getattr(found, "__path__", ()))


def _within(file: Path, folders: tuple[Path, ...]) -> bool:
    resolved = file.resolve()
    if {"site-packages", "dist-packages"} & set(resolved.parts):  # of whatever environment
        return True
    return any(resolved.is_relative_to(folder) for folder in folders)
