"""Classes that travel with their code: scripts, notebooks and modules of a user's own project, which hosts do not have.

cloudpickle carries functions and plain classes. A decorated class holds compiled things that cannot be carried, so it
goes as its body and is decorated again where it arrives. What the annotations of all this name goes along, and stands
on arrival in modules of the same names, so that all is found as at home.

Other decorated classes that the code names come along too, so that it can name them before they were deployed. They
never take the place of a type that is known there: only the class that was sent is deployed.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import pickle
import re
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import Any

import cloudpickle

from automata.automaton import definition as automaton_definition
from automata.collection import CollectionField
from automata.declare import definition as object_definition
from automata.errors import DeclarationError
from automata.fields import MutableField, PickledField, ValueField
from automata.type_options import DEFAULT_OPTIONS
from automata.types import REGISTRY, AutomatonType
from automata.values.classes import name_of_main
from automata.values.redefined import arrived
from automata.volatile_fields import VolatileField
from ssms.class_content import content
from ssms.installed_modules import is_installed, is_own
from ssms.travelling_names import Place, names_around, words_of

_INSTALLED_BY_DECORATOR = frozenset({"__setattr__", "__delattr__", "__automaton__", "__automaton_ref__"})
_OF_ALL_CLASSES = frozenset({"__dict__", "__weakref__", "_abc_impl"})
_FIELDS = ValueField | MutableField | PickledField | VolatileField
_CACHED = type(functools.cache(is_own))
_DRAWN_ID = re.compile("[0-9a-f]{32}")
_KNOWN: weakref.WeakValueDictionary[str, type] = weakref.WeakValueDictionary()  # classes of values, by their content
_CANNOT = (TypeError, ValueError, AttributeError, NotImplementedError, pickle.PicklingError)  # what reducers raise


def dump(cls: type) -> bytes:
    """The class with its code, and what it needs of modules that hosts do not have. Raises DeclarationError if that
    cannot travel.
    """
    with _by_value():
        try:
            return _with_names(cls)
        except _CANNOT as error:
            raise DeclarationError(
                f"{cls.__qualname__} cannot travel with its code: {error}. Its methods, or what its annotations name, "
                f"use something that exists in this process alone; install {cls.__module__} on all machines, or "
                "make that thing where it is used"
            ) from error


def load(code: bytes) -> object:
    """The class again, decorated and registered. Runs the code of whoever has made it."""
    cls, companions, declared, script = pickle.loads(code)  # noqa: S301 - code that a deployer has registered
    for (module, name), value in companions.items():
        if isinstance(value, type):
            arrived(value)
        _stand_in(module).__dict__[name] = value
        if isinstance(value, _Travelled):
            _stand_in(value.__name__).__dict__.update(vars(value))
        if module == "__main__" and script and script != name_of_main():
            _move(name, value, script)
    _stand_in(cls.__module__).__dict__[cls.__name__] = cls
    for one, declaration in declared:  # only now: annotations are read with the names that have come along
        made = declaration.define(one)
        if one is cls:
            REGISTRY.install(made)
        else:
            REGISTRY.add_companion(made)
    cls.__automaton__.resolve()
    return cls


@dataclass(frozen=True)
class _Declaration:
    """What the decorator of a class was given."""

    name: str
    options: dict[str, Any]
    volatile: bool

    @staticmethod
    def of(made: AutomatonType) -> _Declaration:
        """As its decorator was given it."""
        given = {
            option.name: getattr(made.options, option.name)
            for option in fields(made.options)
            if getattr(made.options, option.name) != getattr(DEFAULT_OPTIONS, option.name)
        }
        return _Declaration(made.name, given, made.volatile)

    def define(self, cls: type) -> AutomatonType:
        """Decorate the class, but do not register it."""
        define = automaton_definition if self.volatile else object_definition
        return define(cls, self.name, None, self.options)


class _Travelled(types.ModuleType):
    """What has come along of a module: the names that the code may use."""


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle, but for decorated classes and for modules. met: classes and functions of the project, once each.

    words: the names that are taken along of a module. contents: of the classes that were met before.
    """

    def __init__(self, file: io.BytesIO, words: set[str], contents: dict[type, str]) -> None:
        super().__init__(file)
        self.met: list[type | types.FunctionType] = []
        self._words = words
        self._contents = contents

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.ModuleType):
            return self._module(obj) if is_own(obj.__name__) else super().reducer_override(obj)
        if isinstance(obj, _CACHED) and not is_installed(obj.__module__):
            return _caching, (obj.__wrapped__, obj.cache_parameters())
        if isinstance(obj, type | types.FunctionType) and not is_installed(obj.__module__ or "builtins"):
            self.met.append(obj)
        if not isinstance(obj, type) or is_installed(obj.__module__):
            return super().reducer_override(obj)
        if "__automaton__" not in vars(obj):
            return self._plain(obj)
        return _make, (obj.__name__, obj.__bases__), _body(obj), None, None, _dress

    def _plain(self, cls: type) -> Any:
        """As cloudpickle does it, but that it finds the same class again by what it is, in place of an id by chance."""
        reduced = super().reducer_override(cls)
        if not isinstance(reduced, tuple):
            return reduced
        if cls not in self._contents:
            self._contents[cls] = content(cls)
        digest, (make, given, *rest) = self._contents[cls], reduced
        _KNOWN.setdefault(digest, cls)
        return _again, (digest, make, *(digest if _is_id(part) else part for part in given)), *rest

    def _module(self, module: types.ModuleType) -> Any:
        """In two parts, as modules may name each other."""
        names = {name: value for name, value in vars(module).items() if name in self._words}
        return _Travelled, (module.__name__,), names, None, None, _fill


def _with_names(cls: type) -> bytes:
    """The class pickled together with its companions, which have companions of their own."""
    companions = {place: value for place, value in _neighbours(cls).items() if _travels(value)}
    declared: list[tuple[type, _Declaration]] = []
    words: set[str] = set()
    contents: dict[type, str] = {}
    while True:
        size = len(companions), len(words), len(declared)
        code, met = _pickled((cls, companions, declared, name_of_main()), words, contents)
        for part in met:
            words.update(words_of(part))
            companions.update(names_around(part))
        declared = _declared(met)
        if (len(companions), len(words), len(declared)) == size:
            return code


def _declared(met: list[type | types.FunctionType]) -> list[tuple[type, _Declaration]]:
    """The decorated classes among them, bases first."""
    found = [part for part in met if isinstance(part, type) and "__automaton__" in vars(part)]
    found.sort(key=lambda cls: len(cls.__mro__))
    return [(cls, _Declaration.of(vars(cls)["__automaton__"])) for cls in found]


def _is_id(part: object) -> bool:
    return isinstance(part, str) and _DRAWN_ID.fullmatch(part) is not None


def _pickled(
    value: object, words: set[str], contents: dict[type, str]
) -> tuple[bytes, list[type | types.FunctionType]]:
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, words, contents)
    pickler.dump(value)
    return buffer.getvalue(), pickler.met


def _travels(value: object) -> bool:
    """Whether something that is perhaps not needed can come along."""
    try:
        _pickled(value, set(), {})
    except _CANNOT:
        return False
    return True


def _neighbours(cls: type) -> dict[Place, object]:
    """All other classes of the same module: values of these may be stored or raised."""
    return {
        (cls.__module__, name): value
        for name, value in list(vars(sys.modules[cls.__module__]).items())
        if isinstance(value, type) and value.__module__ == cls.__module__ and not name.startswith("__")
    }


def _body(cls: type) -> dict[str, Any]:
    """The body of a decorated class, as it was before."""
    body: dict[str, Any] = {}
    for name, value in cls.__dict__.items():
        if name in _INSTALLED_BY_DECORATOR or name in _OF_ALL_CLASSES or isinstance(value, CollectionField):
            continue
        body[name] = value.declared if isinstance(value, _FIELDS) else value
    return body


def _again(digest: str, make: Callable[..., type], *given: object) -> type:
    """The class of this content: the one that is here, also if it has never left this process."""
    known = _KNOWN.get(digest)
    if known is None:
        known = _KNOWN[digest] = make(*given)
    return known


def _caching(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """A function under `functools.cache`, whose results stay behind."""
    return functools.lru_cache(**parameters)(function)


def _make(name: str, bases: tuple[type, ...]) -> type:
    return types.new_class(name, bases)


def _dress(cls: type, body: dict[str, Any]) -> None:
    for name, value in body.items():
        type.__setattr__(cls, name, value)


def _fill(module: _Travelled, names: dict[str, Any]) -> None:
    vars(module).update(names)


def _move(name: str, value: object, script: str) -> None:
    """What a script defines is of the module that the script is for others: all programs know exceptions of it then."""
    _stand_in(script).__dict__[name] = value
    if isinstance(value, type) and value.__module__ == "__main__":
        type.__setattr__(value, "__module__", script)


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
