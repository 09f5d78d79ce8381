"""What a plain class of the project is, as a digest: the same in every program that has the same code of it.

Programs deploy types one by one, and their objects pass values of such classes to each other. On a host the class that
came with one type has to be the class that came with another, or `State.PAID` of the one would not be the other's.
So a class goes under its content: all of its own code, and of what that uses. Whatever cannot be compared makes a class
different from all others.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import fractions
import functools
import hashlib
import logging
import pathlib
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from types import CodeType, FunctionType, ModuleType, UnionType
from typing import Any

from automata.reference import ObjectRef
from ssms.installed_modules import is_own
from ssms.travelling_names import annotated_by

_SHOWN = (  # whose text says all of them
    *(bool, int, float, complex, str, bytes, type(None), type(...), range),
    *(decimal.Decimal, fractions.Fraction, uuid.UUID, ObjectRef, pathlib.PurePath, re.Pattern, logging.Logger),
    *(datetime.date, datetime.time, datetime.timedelta, datetime.timezone, UnionType),
)
_WRAPPERS = (classmethod, staticmethod, functools.cached_property)
_MADE = frozenset({"__dict__", "__weakref__", "__doc__", "__abstractmethods__", "__firstlineno__", "__annotate_func__"})
_MADE_BY = ("__pydantic_", "_abc_", "__signature__", "__annotations_cache__")


def content(cls: type) -> str:
    """The digest of a class, as text."""
    hasher = _Hasher()
    hasher.add(cls)
    return hasher.digest()


class _Hasher:
    """Goes over an object and what it uses, each once."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._seen: dict[int, tuple[int, object]] = {}

    def digest(self) -> str:
        return self._hash.hexdigest()

    def add(self, value: object) -> None:
        if isinstance(value, _SHOWN) and not isinstance(value, Enum):
            return self._say(type(value).__name__, repr(value))
        number, _ = self._seen.get(id(value), (None, value))
        if number is not None:
            return self._say("again", str(number))
        self._seen[id(value)] = len(self._seen), value
        self._part(value)
        return None

    def _part(self, value: object) -> None:
        if isinstance(value, type):
            self._class(value)
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, CodeType):
            self._code(value)
        elif isinstance(value, ModuleType):
            self._say("module", value.__name__)
        elif isinstance(value, Enum):
            self._say("member", value.name)
            self.add(type(value))
        elif isinstance(value, tuple | list):
            self._all(type(value).__name__, value)
        elif isinstance(value, Mapping):
            self._all("mapping", [part for pair in value.items() for part in pair])
        elif isinstance(value, set | frozenset):
            self._all("set", sorted(value, key=repr))
        else:
            self._wrapper(value)

    def _wrapper(self, value: Any) -> None:
        if isinstance(value, _WRAPPERS):
            inner = value.func if isinstance(value, functools.cached_property) else value.__func__
            self._all(type(value).__name__, [inner])
        elif isinstance(value, property):
            self._all("property", [value.fget, value.fset, value.fdel])
        else:
            try:
                reduced = value.__reduce_ex__(4)  # what pickle would keep of it
            except Exception:  # noqa: BLE001 - code of the user's class, or a refusal to be pickled
                reduced = uuid.uuid4().hex
            parts = [reduced] if isinstance(reduced, str) else reduced
            self._all("object", [list(part) if isinstance(part, Iterator) else part for part in parts])

    def _class(self, cls: type) -> None:
        self._say("class", f"{cls.__module__}.{cls.__qualname__}")
        if not is_own(cls.__module__) or "__automaton__" in vars(cls):
            return  # a decorated class is known by its name
        self._all("bases", cls.__bases__)
        self._all("annotations", [part for pair in annotated_by(cls) for part in pair])
        members = {name: member.value for name, member in cls.__members__.items()} if issubclass(cls, Enum) else {}
        self._all("members", [members])
        for name, value in sorted(vars(cls).items()):
            made = name in _MADE or name.startswith(_MADE_BY) or (issubclass(cls, Enum) and name.startswith("_"))
            if not made and name not in members:
                self._all(name, [value])
        self._all("fields", [vars(cls).get("__pydantic_fields__")])
        self._validators(vars(cls).get("__pydantic_decorators__"))

    def _validators(self, decorators: Any) -> None:
        for kind in dataclasses.fields(decorators) if decorators is not None else ():
            found = getattr(decorators, kind.name)
            if isinstance(found, dict):
                self._all(kind.name, [part for name, made in found.items() for part in (name, repr(made.info))])

    def _function(self, function: FunctionType) -> None:
        self._say("function", f"{function.__module__}.{function.__qualname__}")
        if not is_own(function.__module__ or ""):
            return
        names = sorted(_names(function.__code__))
        around = {name: function.__globals__[name] for name in names if name in function.__globals__}
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        self._all("", [function.__code__, function.__defaults__, function.__kwdefaults__, cells, vars(function)])
        self._all("annotations", [str(text) for text in function.__annotations__.values()])
        for name, value in around.items():
            own = isinstance(value, ModuleType) and is_own(value.__name__)
            self._all(name, [vars(value).get(used) for used in names] if own else [value])

    def _code(self, code: CodeType) -> None:
        self._all("code", [code.co_code, code.co_names, code.co_varnames, code.co_flags, code.co_consts])

    def _all(self, name: str, parts: Iterable[object]) -> None:
        self._say(name, "(")
        for part in parts:
            self.add(part)
        self._say(name, ")")

    def _say(self, kind: str, text: str) -> None:
        self._hash.update(f"{kind}\x00{text}\x00".encode(errors="backslashreplace"))


def _names(code: CodeType) -> set[str]:
    return set(code.co_names).union(*(_names(inner) for inner in code.co_consts if isinstance(inner, CodeType)))
