"""The names that travelling code needs around it: what its annotations say, and what its functions import.

Pickled code brings the names that it uses. Annotations are text, read on arrival in the module that wrote them, and an
`import` in a function looks for a module: both must find there what they would find at home.
"""

from __future__ import annotations

import dis
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType

from automata.types import REGISTRY
from ssms.installed_modules import is_own

Place = tuple[str, str]
"""A module, and a name in it."""

_NOWHERE = ModuleType("nowhere")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


def words_of(part: type | FunctionType) -> Iterator[str]:
    """Every name that a function's code may look for in a module, or that annotations say."""
    yield from _annotated(part)
    if isinstance(part, FunctionType):
        for code in _codes(part.__code__):
            yield from code.co_names
            yield from (text for text in code.co_consts if isinstance(text, str) and text.isidentifier())


def names_around(part: type | FunctionType) -> Iterator[tuple[Place, object]]:
    """What stands in modules of the project, and is needed there: of annotations, of imports, and the class itself."""
    for word, value in annotated_by(part):
        yield (part.__module__, word), value
    if isinstance(part, FunctionType):
        for code in _codes(part.__code__):
            yield from _imported(code, part)
        return
    home = sys.modules.get(part.__module__, _NOWHERE)
    if vars(home).get(part.__name__) is part:  # values of it may be raised, or stored with its name
        yield (part.__module__, part.__name__), part


def annotated_by(part: type | FunctionType) -> Iterator[tuple[str, object]]:
    """What its annotations name in its module, or as types that are imported for type checkers alone."""
    known = {**REGISTRY.classes(), **vars(sys.modules.get(part.__module__, _NOWHERE))}
    for word in _annotated(part):
        if word in known and not word.startswith("__"):
            yield word, known[word]


def _annotated(part: type | FunctionType) -> Iterator[str]:
    written = inspect.get_annotations(part) if isinstance(part, type) else part.__annotations__
    for text in written.values():
        yield from _NAME.findall(str(text))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)


def _imported(code: CodeType, function: FunctionType) -> Iterator[tuple[Place, object]]:
    """What `import` in a function names of the project, if it has been imported here."""
    before: list[dis.Instruction] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level, names = before[-2].argval, before[-1].argval
            module = _absolute(str(instruction.argval), level, function)
            if is_own(module):
                yield from _of_import(module, names)
        before = [*before[-1:], instruction]


def _absolute(module: str, level: object, function: FunctionType) -> str:
    package = function.__globals__.get("__package__")
    if not isinstance(level, int) or not level or not package:
        return module
    return importlib.util.resolve_name("." * level + module, package)


def _of_import(module: str, names: object) -> Iterator[tuple[Place, object]]:
    parts = module.split(".")
    for end in range(1, len(parts)):
        inner = sys.modules.get(".".join(parts[: end + 1]))
        if inner is not None:
            yield (".".join(parts[:end]), parts[end]), inner
    found = vars(sys.modules[module])
    for name in names if isinstance(names, tuple) else ():
        if name in found:
            yield (module, name), found[name]
