"""`ref(User, "alice")`: a name that can be invoked. Each type gets its own class of refs, with its methods on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar, cast, overload

from automata.context import CURRENT, RunningMethod
from automata.errors import InvalidArgument, NotPublic, StateError, UnknownType
from automata.invocation import Invocation
from automata.late import can_be_learned, late_method
from automata.methods import Method
from automata.reference import ObjectRef, set_ref_factory
from automata.types import REGISTRY
from darq.limits import Limits

if TYPE_CHECKING:
    from automata.types import AutomatonType

T = TypeVar("T")

KEY_BYTES_MAX = Limits.key_bytes_max


class Home(Protocol):
    """What a ref is bound to."""

    def runs(self, method: RunningMethod) -> bool:
        """Whether the method runs in this app."""


@overload
def ref(target: type[T], key: str, /) -> T: ...
@overload
def ref(target: T, /) -> T: ...
@overload
def ref(target: str, key: str, /) -> ObjectRef: ...
def ref(target: object, key: str | None = None, /) -> object:
    """The ref of an object, which need not exist: `ref(User, "alice")`, `ref("User", "alice")`, or `ref(self)`.

    Raises InvalidArgument for a key that is no str of 1 to 512 bytes of UTF-8, UnknownType for an undecorated class.
    """
    return _remembered(target, key) if type(key) is str and type(target) is type else bound_ref(None, target, key)


@lru_cache(maxsize=16_384)  # a ref is a value, and busy objects are named again for each call
def _remembered(target: type, key: str) -> ObjectRef:
    return bound_ref(None, target, key)


def bound_ref(app: object | None, target: object, key: str | None) -> ObjectRef:
    """As `ref`, for one app."""
    if key is None:
        if not hasattr(type(target), "__automaton_ref__"):
            raise InvalidArgument("ref() takes a type and a key, or an object's self")
        return cast("ObjectRef", target.__automaton_ref__())  # type: ignore[attr-defined]
    check_key(key)
    if isinstance(target, str):
        known = REGISTRY.find(target)
        return known.ref_class(known.name, key, app) if known else UnknownRef(target, key, app)
    made = getattr(target, "__automaton__", None)
    if made is None or made.cls is not target:
        raise UnknownType(f"{target!r} is no object type: decorate it with @object_type")
    return cast("ObjectRef", made.ref_class(made.name, key, app))


def check_key(key: object) -> None:
    """Raise InvalidArgument unless `key` can be an object's key."""
    if type(key) is str and 0 < len(key) <= KEY_BYTES_MAX // 4 and key.isascii():
        return
    if not isinstance(key, str):
        raise InvalidArgument(f"a key is a str, not {type(key).__name__}: use str(...)")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidArgument(f"the key {key!r} cannot be written as UTF-8") from None
    if not 0 < size <= KEY_BYTES_MAX:
        raise InvalidArgument(f"a key has 1 to {KEY_BYTES_MAX} bytes of UTF-8; this one has {size}")


class UnknownRef(ObjectRef):
    """A ref to a type that this process does not define (yet): it is a value, and is looked up when invoked."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Callable[..., Invocation]:
        if name.startswith("__"):
            raise AttributeError(name)
        if REGISTRY.find(self.type_name) is None and can_be_learned(self):
            return late_method(self, name)
        made = REGISTRY.get(self.type_name)
        return cast("Callable[..., Invocation]", getattr(made.ref_class(made.name, self.key, self.app), name))


def ref_class(made: AutomatonType) -> type[ObjectRef]:
    """The class of refs to one type, with a function for each of its methods."""

    def unknown(self: ObjectRef, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if made.elsewhere and name not in made.methods and can_be_learned(self):
            return late_method(self, name)
        raise _not_public(made.method(name))  # Python asks here again after the private method's own refusal

    body: dict[str, object] = {
        "__slots__": (),
        "__aliases__": frozenset({made.cls.__name__}),
        "__getattr__": unknown,
        "__doc__": f"A ref to a {made.name}.",
    }
    for method in made.methods.values():
        function = _invoker(made, method)
        body[method.name] = _Private(made, method, function) if method.private else function
    return type(f"{made.name}Ref", (ObjectRef,), body)


def _invoker(made: AutomatonType, method: Method) -> Callable[..., Invocation]:
    def invoke(self: ObjectRef, *args: object, **kwargs: object) -> Invocation:
        if not made.current:
            if made.replaced_by is not None:  # the class was defined again, as in a notebook
                newer = made.replaced_by.ref_class(self.type_name, self.key, self.app)
                return cast("Invocation", getattr(newer, method.name)(*args, **kwargs))
            made.resolve()  # it names what was defined later than it, while an app was open
        if self.app is not None:
            _check_app(self)
        return Invocation(self, method, args, kwargs)

    invoke.__name__, invoke.__doc__ = method.name, method.fn.__doc__
    return invoke


def _check_app(ref: ObjectRef) -> None:
    running = CURRENT.get()
    if running is not None and not cast("Home", ref.app).runs(running):
        raise StateError(
            f"{running.address} must not call {ref.type_name}/{ref.key} of another app: a method calls objects of its "
            "own app alone, through ref(...); call from outside of any method"
        )


class _Private:
    """A method with a leading underscore: there for methods of the same application, refused to everyone else."""

    def __init__(self, made: AutomatonType, method: Method, function: Callable[..., Invocation]) -> None:
        self._made = made
        self._method = method
        self._function = function

    def __get__(self, instance: ObjectRef | None, owner: type) -> object:
        if instance is None:
            return self
        running = CURRENT.get()
        if running is None or running.application != self._made.application:
            raise _not_public(self._method)
        return self._function.__get__(instance, owner)


def _not_public(method: Method) -> NotPublic:
    return NotPublic(
        f"{method.type_name}.{method.name} is private (leading underscore): only methods of its own application may "
        "invoke it"
    )


def _decoded(type_name: str, key: str) -> ObjectRef:
    known = REGISTRY.find(type_name)
    return known.ref_class(type_name, key) if known else UnknownRef(type_name, key)


set_ref_factory(_decoded)
