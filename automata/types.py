"""Definitions of automaton types, and the registry of those that this process knows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from automata.directory import Header
from automata.errors import DeclarationError, NotPublic, UnknownMethod, UnknownType
from automata.type_options import DEFAULT_OPTIONS, TypeOptions

if TYPE_CHECKING:
    from automata.fields import Field
    from automata.methods import Method
    from automata.reference import ObjectRef


class AutomatonType:
    """The frozen definition of one type. `fields` and the kinds of `methods` are there once it is resolved.

    header: what the directory rows of its objects say, if they keep no time.
    defined: its class statement is over, so that what it cannot find in its module may be a type that is imported for
    type checkers alone. current: it is resolved and nothing has replaced it, so that calls need not look any further.
    volatile: its state is rebuilt from its log, and lives in the one instance of each automaton (SSMS §3.1).
    application: what its private methods belong to: nothing for what this process defines, else the upload that it came
    with. elsewhere: it is known by its signatures alone, as some cluster has uploaded it, and may have others by now.
    home: the one store that it was uploaded to, if that is not a cluster: no other app of this process runs it.
    """

    volatile = False
    application = ""
    elsewhere = False
    home = b""

    def __init__(
        self,
        name: str,
        cls: type,
        methods: dict[str, Method],
        resolve: Callable[[], dict[str, Field]],
        options: TypeOptions = DEFAULT_OPTIONS,
    ) -> None:
        self.name = name
        self.cls = cls
        self.methods = methods
        self.options = options
        self.header = Header(options.version)
        self.ref_class: type[ObjectRef]
        self.replaced_by: AutomatonType | None = None
        self.current = False
        self.defined = False
        self._resolve = resolve
        self._fields: dict[str, Field] | None = None

    @property
    def origin(self) -> tuple[str, str]:
        """Where it is defined: defining the same place again replaces it."""
        return self.cls.__module__, self.cls.__qualname__

    @property
    def fields(self) -> dict[str, Field]:
        """Its fields by name. The first use resolves all annotations; DeclarationError names one that cannot be."""
        return self.resolve() if self._fields is None else self._fields

    def resolve(self) -> dict[str, Field]:
        """Compile its annotations. Raises DeclarationError."""
        if self._fields is None:
            self._fields = fields = self._resolve()
            self._resolve = lambda: fields  # lets go of the function in which the class was defined
            self.current = self.replaced_by is None
        return self._fields

    def method(self, name: str) -> Method:
        """One method by name. Raises UnknownMethod, or NotPublic for other things of the class."""
        self.resolve()
        found = self.methods.get(name)
        if found is not None:
            return found
        if hasattr(self.cls, name) or name in self.fields:
            raise NotPublic(f"{self.name}.{name} is no invocable method: only `async def` methods are")
        known = ", ".join(sorted(m for m in self.methods if not m.startswith("_"))) or "none"
        raise UnknownMethod(f"{self.name} has no method {name!r}; its methods: {known}")


class Registry:
    """Types by name. Several definitions may claim a name until an app opens, which reports the clash.

    newest: the last definition under each name, for reading alone. missing: why there is none of a name, if somebody
    knows.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._types: dict[str, dict[tuple[str, str], AutomatonType]] = {}
        self._listeners: list[Callable[[AutomatonType], None]] = []
        self.newest: dict[str, AutomatonType] = {}
        self.missing: dict[str, str] = {}

    def add(self, definition: AutomatonType) -> None:
        """Register a definition, replacing an earlier one of the same module and qualified name."""
        with self._lock:
            named = self._types.setdefault(definition.name, {})
            replaced = named.pop(definition.origin, None)
            if replaced is not None:
                replaced.replaced_by = definition
                replaced.current = False
            named[definition.origin] = definition
            self.newest[definition.name] = definition
            listeners = list(self._listeners)
        for listener in listeners:
            listener(definition)

    def add_companion(self, definition: AutomatonType) -> None:
        """Register a definition that has come along with another's code, unless its name is known here: then whoever
        names this one means what is known.
        """
        with self._lock:
            known = self.newest.get(definition.name)
        if known is None:
            self.add(definition)
        else:
            definition.replaced_by = known
            definition.current = False

    def install(self, definition: AutomatonType) -> None:
        """Register a definition as the only one of its name, wherever the others were defined."""
        with self._lock:
            others = [made for made in self._types.get(definition.name, {}).values() if made is not definition]
            for replaced in others:
                replaced.replaced_by = definition
                replaced.current = False
            self._types[definition.name] = {}
        definition.replaced_by = None
        self.add(definition)

    def remove(self, definition: AutomatonType) -> None:
        """Forget a definition, if it is still the one of its place."""
        with self._lock:
            named = self._types.get(definition.name, {})
            if named.get(definition.origin) is not definition:
                return
            del named[definition.origin]
            if named:
                self.newest[definition.name] = next(reversed(named.values()))
            else:
                del self._types[definition.name], self.newest[definition.name]

    def find(self, name: str) -> AutomatonType | None:
        """The newest definition under a name."""
        return self.newest.get(name)

    def get(self, name: str) -> AutomatonType:
        """The definition under a name, or UnknownType."""
        found = self.find(name)
        if found is None:
            if name in self.missing:
                raise UnknownType(f"no type {name!r} can be used here: {self.missing[name]}")
            known = ", ".join(sorted(self._types)) or "none"
            raise UnknownType(
                f"no type {name!r} is defined here; known: {known}. Import the module that defines it, or upload it "
                "(again, if the upload was removed); to a cluster it has to be deployed or uploaded"
            )
        return found

    def names(self) -> list[str]:
        """All names."""
        return sorted(self._types)

    def classes(self) -> dict[str, type]:
        """The classes of all types by their own names, but for names that several have."""
        found: dict[str, type] = {}
        several = set()
        for made in list(self.newest.values()):
            if found.setdefault(made.cls.__name__, made.cls) is not made.cls:
                several.add(made.cls.__name__)
        return {name: cls for name, cls in found.items() if name not in several}

    def check(self) -> None:
        """Resolve every type and refuse names claimed twice. Raises DeclarationError."""
        for name, named in sorted(self._types.items()):
            if len(named) > 1:
                places = " and ".join(f"{module}.{qualname}" for module, qualname in named)
                raise DeclarationError(f"the type name {name!r} is claimed by {places}: rename one with name=...")
            for definition in named.values():
                definition.resolve()

    def listen(self, listener: Callable[[AutomatonType], None]) -> Callable[[], None]:
        """Call `listener` for every definition added from now on, on the thread that defines; returns how to stop."""
        with self._lock:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


REGISTRY = Registry()
"""The types that this process defines: one application (API: Declaring)."""
