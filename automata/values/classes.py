"""Classes by name: how records and exceptions without an annotation are named in bytes and found again.

Only classes that are already imported are found: reading bytes never imports, so it never runs a module's code.
"""

from __future__ import annotations

import sys


def find_class(module: str, qualname: str) -> type | None:
    """The class `module.qualname` among the imported modules, or None."""
    found: object = sys.modules.get(module)
    for name in qualname.split("."):
        # `vars`, not `getattr`: a module's or metaclass's `__getattr__` is code, and may import.
        found = getattr(found, "__dict__", {}).get(name)
    return found if isinstance(found, type) else None


def class_name(cls: type) -> str:
    """`module.qualname` for messages, without `builtins`."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
