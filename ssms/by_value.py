"""Classes that travel with their code: scripts, notebooks and modules of a user's own project, which hosts do not have.

cloudpickle carries functions and plain classes. A decorated class holds compiled things that cannot be carried, so it
goes as its body and is decorated again where it arrives. What annotations and stored values name (other classes of the
same module) goes along, and stands on arrival in a module of the same name, so that all is found as at home.
"""

from __future__ import annotations

import importlib.util
import inspect
import io
import pickle
import re
import sys
import sysconfig
import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import cloudpickle

from automata.automaton import definition as automaton_definition
from automata.collection import CollectionField
from automata.declare import definition as object_definition
from automata.errors import DeclarationError
from automata.fields import MutableField, PickledField, ValueField
from automata.type_options import DEFAULT_OPTIONS
from automata.types import REGISTRY, AutomatonType
from automata.volatile_fields import VolatileField

_INSTALLED = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_OURS = frozenset({"darq", "automata", "ssms"})
_INSTALLED_BY_DECORATOR = frozenset({"__setattr__", "__delattr__", "__automaton__", "__automaton_ref__"})
_OF_ALL_CLASSES = frozenset({"__dict__", "__weakref__"})
_FIELDS = ValueField | MutableField | PickledField | VolatileField
_CANNOT = (TypeError, ValueError, AttributeError, NotImplementedError, pickle.PicklingError)  # what reducers raise
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


def is_installed(module: str) -> bool:
    """Whether hosts are expected to have a module: it is Python's, a package's in site-packages, or of this one."""
    if module.partition(".")[0] in _OURS or module in sys.builtin_module_names:
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return module != "__main__" and file is not None and _within(Path(file), _INSTALLED)


def dump(cls: type) -> bytes:
    """The class with its code, and what it needs of modules that hosts do not have. Raises DeclarationError if that
    cannot travel.
    """
    with _by_value():
        companions = {place: value for place, (value, needed) in _companions(cls).items() if needed or _travels(value)}
        try:
            return _pickled((cls, companions))
        except _CANNOT as error:
            raise DeclarationError(
                f"{cls.__qualname__} cannot travel with its code: {error}. Its methods, or what its annotations name, "
                f"use something that exists in this process alone; install {cls.__module__} on all machines, or "
                "make that thing where it is used"
            ) from error


def load(code: bytes) -> object:
    """The class again, decorated and registered. Runs the code of whoever has made it."""
    cls, companions = pickle.loads(code)  # noqa: S301 - code that a deployer has registered
    for (module, name), value in companions.items():
        _stand_in(module).__dict__[name] = value
    _stand_in(cls.__module__).__dict__[cls.__name__] = cls
    cls.__automaton__.resolve()
    return cls


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle, but for decorated classes."""

    def reducer_override(self, obj: Any) -> Any:
        made = obj.__dict__.get("__automaton__") if isinstance(obj, type) else None
        if made is None or is_installed(obj.__module__):
            return super().reducer_override(obj)
        return _make, (obj.__name__, obj.__bases__), _state(obj, made), None, None, _decorate


def _pickled(value: object) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer).dump(value)
    return buffer.getvalue()


def _travels(value: object) -> bool:
    """Whether something that is perhaps not needed can come along."""
    try:
        _pickled(value)
    except _CANNOT:
        return False
    return True


def _state(cls: type, made: AutomatonType) -> dict[str, Any]:
    """The body of a decorated class, as it was before, and what its decorator was given."""
    body: dict[str, Any] = {}
    for name, value in cls.__dict__.items():
        if name in _INSTALLED_BY_DECORATOR or name in _OF_ALL_CLASSES or isinstance(value, CollectionField):
            continue
        body[name] = value.declared if isinstance(value, _FIELDS) else value
    given = {
        option.name: getattr(made.options, option.name)
        for option in fields(made.options)
        if getattr(made.options, option.name) != getattr(DEFAULT_OPTIONS, option.name)
    }
    return {"body": body, "name": made.name, "options": given, "volatile": made.volatile}


def _make(name: str, bases: tuple[type, ...]) -> type:
    return types.new_class(name, bases)


def _decorate(cls: type, state: dict[str, Any]) -> None:
    for name, value in state["body"].items():
        type.__setattr__(cls, name, value)
    define = automaton_definition if state["volatile"] else object_definition
    REGISTRY.add(define(cls, state["name"], None, state["options"]))


def _companions(cls: type) -> dict[tuple[str, str], tuple[Any, bool]]:
    """What the annotations of a class name, which is needed, and all other classes of its module: values of these may
    be stored or raised.
    """
    module = sys.modules[cls.__module__]
    named = {name for text in _annotations(cls) for name in _NAME.findall(text)}
    found: dict[tuple[str, str], tuple[Any, bool]] = {}
    for name, value in list(vars(module).items()):
        own = isinstance(value, type) and value.__module__ == cls.__module__
        if (own or name in named) and not name.startswith("__") and not isinstance(value, types.ModuleType):
            found[cls.__module__, name] = value, name in named
    return found


def _annotations(cls: type) -> Iterator[str]:
    for base in cls.__mro__[:-1]:
        yield from (str(text) for text in inspect.get_annotations(base).values())
        for value in base.__dict__.values():
            yield from (str(text) for text in getattr(value, "__annotations__", {}).values())


@contextmanager
def _by_value() -> Iterator[None]:
    """Let everything of modules that hosts do not have travel by value."""
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            own = name != "__main__" and getattr(module, "__file__", None) is not None and not is_installed(name)
            if own and name not in cloudpickle.list_registry_pickle_by_value():
                cloudpickle.register_pickle_by_value(module)
                stack.callback(cloudpickle.unregister_pickle_by_value, module)
        yield


def _stand_in(module: str) -> types.ModuleType:
    """The module of this name here, or an empty one in its place."""
    found = sys.modules.get(module)
    if found is None:
        spec = importlib.util.spec_from_loader(module, loader=None)
        assert spec is not None, "a module without a loader has a spec"
        found = sys.modules[module] = importlib.util.module_from_spec(spec)
    return found


def _within(file: Path, folders: tuple[Path, ...]) -> bool:
    resolved = file.resolve()
    if {"site-packages", "dist-packages"} & set(resolved.parts):  # of whatever environment
        return True
    return any(resolved.is_relative_to(folder) for folder in folders)
