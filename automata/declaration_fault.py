"""Where a declaration is at fault: FILE:LINE of a name in a class, as exactly as its source can be found."""

from __future__ import annotations

import ast
import inspect
import textwrap

from automata.errors import DeclarationError


def fault(cls: type, name: str | None, sentence: str) -> DeclarationError:
    """The error about one name of a class, or about the class as a whole."""
    what = f"{cls.__name__}.{name}" if name else cls.__name__
    return DeclarationError(f"{what}: {sentence} ({_line(cls, name)})")


def _line(cls: type, name: str | None) -> str:
    try:
        file, (lines, first) = inspect.getsourcefile(cls) or "?", inspect.getsourcelines(cls)
    except (OSError, TypeError):
        return f"in module {cls.__module__}"
    body = ast.parse(textwrap.dedent("".join(lines))).body[0]
    for node in getattr(body, "body", ()):
        target = getattr(node, "target", None)
        targets = [target, *getattr(node, "targets", ())]
        if name in (getattr(node, "name", None), *(getattr(t, "id", None) for t in targets)) and name:
            return f"{file}:{first + node.lineno - 1}"
    return f"{file}:{first}"
