"""How a class travels to a cluster: by the name of its module where hosts have that, else by value with its code."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from ssms.deployed import DeployedType, by_reference, by_value

_INSTALLED = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib"))


def pack(cls: type) -> DeployedType:
    """The class as it is deployed. What is installed (in site-packages) is expected on every machine by its name;
    scripts, notebooks and modules of one's own project travel by value, with the module of each.

    Raises UnknownType for a class that is not decorated.
    """
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if cls.__module__ != "__main__" and file is not None and _is_installed(Path(file)):
        return by_reference(cls)
    return by_value(cls)


def _is_installed(file: Path) -> bool:
    resolved = file.resolve()
    return any(resolved.is_relative_to(place) for place in _INSTALLED)
