"""References: the names of objects as values (LambdaObjects §3.1).

An `ObjectRef` compares, hashes, sorts, travels and is stored; it never loads what it names. Invoking methods through
it is added by a subclass of it for each type, which its maker registers with `set_ref_factory`.

As an annotation, write `Ref["User"]` or `Ref[User]`: type checkers see `User`, validation accepts a ref to a `User`
(or an instance of `User`, which becomes its ref) and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, ForwardRef, TypeVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from automata.errors import InvalidArgument


class ObjectRef:
    """The address `(type_name, key)` of one object or automaton, immutable.

    `app` is the application that invocations go to; it is no part of the value: refs that differ in it alone are
    equal, and it is not stored. A subclass for one type may set `__aliases__`, further names under which annotations
    know that type (its class name, when `@object_type(name=...)` differs).
    """

    __slots__ = ("app", "key", "type_name")
    __aliases__: ClassVar[frozenset[str]] = frozenset()

    type_name: str
    key: str
    app: object | None

    def __init__(self, type_name: str, key: str, app: object | None = None) -> None:
        _set_type_name(self, type_name)
        _set_key(self, key)
        _set_app(self, app)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a ref cannot be changed: {name!r} was to be set on {self!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a ref cannot be changed: {name!r} was to be deleted on {self!r}")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ObjectRef):
            return self.key == other.key and self.type_name == other.type_name
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.type_name, self.key))

    def __lt__(self, other: ObjectRef) -> bool:
        if isinstance(other, ObjectRef):
            return (self.type_name, self.key) < (other.type_name, other.key)
        return NotImplemented

    def __le__(self, other: ObjectRef) -> bool:
        if isinstance(other, ObjectRef):
            return (self.type_name, self.key) <= (other.type_name, other.key)
        return NotImplemented

    def __gt__(self, other: ObjectRef) -> bool:
        if isinstance(other, ObjectRef):
            return (self.type_name, self.key) > (other.type_name, other.key)
        return NotImplemented

    def __ge__(self, other: ObjectRef) -> bool:
        if isinstance(other, ObjectRef):
            return (self.type_name, self.key) >= (other.type_name, other.key)
        return NotImplemented

    def __repr__(self) -> str:
        return f"ref({self.type_name!r}, {self.key!r})"

    def __copy__(self) -> ObjectRef:
        return self

    def __deepcopy__(self, memo: object) -> ObjectRef:
        return self

    def __reduce__(self) -> tuple[Callable[[str, str], ObjectRef], tuple[str, str]]:
        return make_ref, (self.type_name, self.key)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return _schema(to_ref)


# The slots' own setters: `__setattr__` refuses, and `object.__setattr__` costs three look-ups on a hot path.
_set_type_name = ObjectRef.__dict__["type_name"].__set__
_set_key = ObjectRef.__dict__["key"].__set__
_set_app = ObjectRef.__dict__["app"].__set__


RefFactory = Callable[[str, str], ObjectRef]


class _Factory:
    """The registered maker of refs; a class attribute, so that replacing it reaches every importer of `make_ref`."""

    make: RefFactory = ObjectRef


def set_ref_factory(factory: RefFactory) -> RefFactory:
    """Let `factory(type_name, key)` make every decoded ref from now on; returns the one used before."""
    previous = _Factory.make
    _Factory.make = staticmethod(factory)
    return previous


def make_ref(type_name: str, key: str) -> ObjectRef:
    """A ref of the class registered for `type_name` (see `set_ref_factory`)."""
    return _Factory.make(type_name, key)


def is_referable(value: object) -> bool:
    """Whether `value` is an instance of a declared type (its class has `__automaton__`)."""
    return hasattr(type(value), "__automaton__")


def to_ref(value: object) -> ObjectRef:
    """`value` itself if it is a ref, the ref of an instance of a declared type, else `InvalidArgument`."""
    if isinstance(value, ObjectRef):
        return value
    if is_referable(value):
        return value.__automaton_ref__()  # type: ignore[attr-defined, no-any-return]
    raise InvalidArgument(f"expected a Ref, got {type(value).__name__}")


class RefTarget:
    """The type that a `Ref[...]` annotation names, in the annotation's metadata."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RefTarget) and self.name == other.name

    def __hash__(self) -> int:
        return hash((RefTarget, self.name))

    def __repr__(self) -> str:
        return f"RefTarget({self.name!r})"

    def accept(self, value: object) -> ObjectRef:
        """The ref that `value` is or stands for; `InvalidArgument` unless it names an object of the target type."""
        ref = to_ref(value)
        if ref.type_name == self.name or self.name in type(ref).__aliases__:
            return ref
        raise InvalidArgument(f"expected a Ref to {self.name}, got one to {ref.type_name}")

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return _schema(self.accept)


def _schema(accept: Callable[[object], ObjectRef]) -> core_schema.CoreSchema:
    """Validation by `accept`; pydantic's own JSON dump shows a ref as "Type/key"."""

    def validate(value: object) -> ObjectRef:
        try:
            return accept(value)
        except InvalidArgument as error:
            raise PydanticCustomError("ref", "{reason}", {"reason": str(error)}) from None

    return core_schema.no_info_plain_validator_function(
        validate,
        serialization=core_schema.plain_serializer_function_ser_schema(
            lambda ref: f"{ref.type_name}/{ref.key}", when_used="json"
        ),
    )


def _target_name(target: object) -> str:
    """The name in `Ref[target]`: of a string its last dotted part, of a class its declared or else its own name."""
    if isinstance(target, ForwardRef):
        target = target.__forward_arg__
    if isinstance(target, str):
        return target.rpartition(".")[2]
    if isinstance(target, type):
        declared = getattr(target, "__automaton__", None)
        name = getattr(declared, "name", None)
        return name if isinstance(name, str) else target.__name__
    raise TypeError(f"Ref[...] takes a class or its name, not {target!r}")


if TYPE_CHECKING:
    Target = TypeVar("Target")
    Ref = Annotated[Target, "ref"]
else:

    class Ref:
        """`Ref["User"]` or `Ref[User]`: the annotation of a field or argument that names a `User`."""

        def __class_getitem__(cls, target: object) -> object:
            return Annotated[ObjectRef, RefTarget(_target_name(target))]
