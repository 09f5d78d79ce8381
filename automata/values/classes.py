"""Classes by name: how records and exceptions without an annotation are named in bytes and found again.

Only classes that are already imported are found: reading bytes never imports, so it never runs a module's code.
"""

from __future__ import annotations

import sys
from pathlib import Path


def name_of_main() -> str:
    """The name under which other programs import the script that runs here, or "" if it is none that they can."""
    main = sys.modules.get("__main__")
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    name = spec.name if spec is not None else Path(file).stem if file else "__main__"
    return "" if name == "__main__" or name in sys.stdlib_module_names else str(name)


def find_class(module: str, qualname: str) -> type | None:
    """The class `module.qualname` among the imported modules, or None. The script that runs here is one of them."""
    found: object = sys.modules.get(module)
    if found is None and module == name_of_main():
        found = sys.modules["__main__"]
    for name in qualname.split("."):
        # `vars`, not `getattr`: a module's or metaclass's `__getattr__` is code, and may import.
        found = getattr(found, "__dict__", {}).get(name)
    return found if isinstance(found, type) else None


def class_name(cls: type) -> str:
    """`module.qualname` for messages, without `builtins`."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
