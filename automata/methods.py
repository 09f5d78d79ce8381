"""Invocable methods: which there are, what they take and give, and whether they can be stepped without a task."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any, NamedTuple, cast

import msgspec

from automata.errors import DeclarationError, InvalidArgument
from automata.reference import ObjectRef
from automata.values.dynamic import decode_dynamic, encode_dynamic
from automata.values.value_type import ValueType, value_type

Packed = tuple[object, ...]
"""Arguments by value: immutable ones as they are, others encoded."""

TASK, WORKER, INLINE = "task", "worker", "inline"
"""The ways of methods: in a task on the event loop, in another process, on the loop for as long as they are short."""

READONLY = "__automata_readonly__"
_AWAITING = frozenset({"GET_AWAITABLE", "GET_AITER", "GET_ANEXT", "BEFORE_ASYNC_WITH", "SEND"})
_SMALL = frozenset({int, float, bool, type(None)})
_SCALARS = frozenset({int, str, float, bool, bytes, type(None)})
_EQUAL_IS_SAME = frozenset({int, str, bytes, bool})  # unlike 0.0 and -0.0; None counts as no class of its own
_REMEMBERED_BYTES_MAX = 16_384  # arguments that are kept though no message has them any more
_OBJECTS_TO_BYTES = 6  # what Python objects take, in lengths of their encoding: measured for models of short fields
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes]).decode
_REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Readonly:
    """What `@readonly` notes on a method. cache: it is deterministic, and its result may be reused."""

    cache: bool = False


class Anything:
    """The kind of a parameter or result without an annotation: whatever the dynamic codec can carry."""

    annotation: Any = Any
    exact = None
    immutable = False

    def validate(self, value: object) -> object:
        """Anything goes; what cannot be carried is found when it is encoded."""
        return value

    def encode(self, value: object) -> bytes:
        """Self-describing bytes."""
        return encode_dynamic(value)

    def decode(self, data: bytes) -> object:
        """The value again."""
        return decode_dynamic(data)

    def take(self, value: object) -> object:
        """The value by value. Raises InvalidArgument for what cannot be carried."""
        return value if type(value) in _SCALARS else decode_dynamic(encode_dynamic(value))


Kind = ValueType | Anything


class Kept(NamedTuple):
    """A result that many callers get.

    give: makes each one's own of `value`; None if it can be shared as it is. size_bytes: about what it takes in memory.
    """

    value: object
    give: Callable[[Any], object] | None
    size_bytes: int


class Parameter:
    """One parameter of a method."""

    __slots__ = ("default", "exact", "immutable", "kind", "name")

    def __init__(self, name: str, kind: Kind, default: object) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.exact = kind.exact
        self.immutable = kind.immutable


class _Last:
    """The arguments that a method was given last: what goes to many receivers is checked and encoded once."""

    __slots__ = ("data", "given", "packed", "size")

    def __init__(self, given: tuple[object, ...], packed: Packed) -> None:
        self.given = given
        self.packed = packed
        self.size: int | None = None
        self.data: bytes | None = None


_NOTHING = _Last((object(),), (object(),))  # which nobody can give


class Method:
    """One invocable method of a type.

    direct: its code awaits nothing, so that it is stepped without a task. simple: all its
    parameters are immutable values, so that packed arguments are the arguments. sized: they may be large. plain:
    packed arguments that are equal are the same. awaiting: its code awaits something. way: how one is run that is not
    direct. inline: with way INLINE, the same as a method that awaits nothing, which may raise TooLong.
    """

    inline: Method | None = None

    def __init__(self, type_name: str, name: str, fn: Callable[..., Coroutine[object, object, object]]) -> None:
        note = getattr(fn, READONLY, None)
        self.type_name = type_name
        self.name = name
        self.declared = fn
        self.fn = _by_position(fn)
        self.readonly = note is not None
        self.cached = note.cache if note else False
        self.private = name.startswith("_")
        self.awaiting = awaits(fn)
        self.direct = not self.awaiting
        self.way = TASK
        self.signature = _signature(type_name, name, fn)
        self.parameters: list[Parameter] = []
        self._encoders: tuple[Callable[[Any], Any], ...] = ()
        self._decoders: tuple[Callable[[Any], Any], ...] = ()
        self.result: Kind = Anything()
        self.simple = False
        self.texts = False
        self.exacts: tuple[type | None, ...] | None = ()
        self.result_exact: type | None = None
        self.sized = True
        self.plain = False
        self._last = _NOTHING  # read once by whoever uses it: other threads may put another one there

    def run_apart(self) -> None:
        """Its type has `compute="worker"`: no host steps it."""
        self.way, self.direct = WORKER, False

    def resolve(self, hints: Mapping[str, object]) -> None:
        """Compile the annotations, which `typing.get_type_hints` has made real."""
        self._last = _NOTHING
        self.parameters = [
            Parameter(p.name, self._kind(p.name, hints), p.default)
            for p in list(self.signature.parameters.values())[1:]
        ]
        self._encoders = tuple(p.kind.encode if p.immutable else _as_it_is for p in self.parameters)
        self._decoders = tuple(p.kind.decode if p.immutable else _as_it_is for p in self.parameters)
        self.result = self._kind("return", hints)
        self.simple = all(p.immutable for p in self.parameters)
        self.plain = all(p.exact in _EQUAL_IS_SAME for p in self.parameters)
        self.texts = str in (p.exact for p in self.parameters)
        self.sized = not all(p.exact in _SMALL for p in self.parameters)
        self.exacts = None if self.fn is not self.declared else tuple(p.exact for p in self.parameters)
        self.result_exact = self.result.exact

    def pack(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Packed:
        """Arguments checked against the declaration and taken by value. Raises InvalidArgument."""
        if not kwargs and tuple(map(type, args)) == self.exacts:
            if self.texts and not all(map(_is_unicode, args)):
                raise self._no_unicode(args)
            return args
        if kwargs or self.exacts is None or len(args) != len(self.parameters):
            args = self._bind(args, kwargs)
        last = self._last
        if len(args) == len(last.given) and all(map(is_, args, last.given)):
            return last.packed
        packed = tuple([self._take(p, value) for p, value in zip(self.parameters, args, strict=True)])
        if self.simple and tuple(map(type, packed)) == tuple(map(type, args)):  # what was given cannot change
            self._last = _Last(args, packed)
        return packed

    def size_bytes(self, packed: Packed) -> int:
        """About what the packed arguments take when stored."""
        last = self._last
        if packed is not last.packed:
            return self._size_bytes(packed)
        if last.size is None:
            last.size = self._size_bytes(packed)
            if last.size > _REMEMBERED_BYTES_MAX:
                self._last = _NOTHING
        return last.size

    def _size_bytes(self, packed: Packed) -> int:
        size = 0
        for p, value in zip(self.parameters, packed, strict=True):
            if isinstance(value, bytes | str):
                size += len(value)
            elif type(value) not in _SMALL and not isinstance(value, ObjectRef):
                size += len(p.kind.encode(value))
        return size

    def unpack(self, packed: Packed) -> Packed:
        """The arguments to call the method with; mutable ones are fresh copies each time."""
        if self.simple:
            return packed
        return tuple(
            value if p.immutable else p.kind.decode(cast("bytes", value))
            for p, value in zip(self.parameters, packed, strict=True)
        )

    def encode_arguments(self, packed: Packed) -> bytes:
        """Packed arguments as bytes."""
        last = self._last
        if packed is last.packed and last.data is not None:
            return last.data
        data = _encode([encode(value) for encode, value in zip(self._encoders, packed, strict=True)])
        if packed is last.packed:
            if len(data) > _REMEMBERED_BYTES_MAX:
                self._last = _NOTHING
            last.data = data
        return data

    def decode_arguments(self, data: bytes) -> Packed:
        """Packed arguments from bytes; parameters added since take their defaults. Raises InvalidArgument."""
        encoded = _decode(data)
        packed = [decode(value) for decode, value in zip(self._decoders, encoded, strict=False)]
        if len(encoded) == len(self._decoders):
            return tuple(packed)
        missing = self.parameters[len(encoded) :]
        if len(encoded) > len(self.parameters) or any(p.default is _REQUIRED for p in missing):
            raise InvalidArgument(
                f"a stored message for {self.type_name}.{self.name} has {len(encoded)} arguments, "
                f"and the method now takes {len(self.parameters)}: give added parameters a default"
            )
        return (*packed, *(self._take(p, p.default) for p in missing))

    def take_result(self, value: object) -> object:
        """The result by value. Raises InvalidArgument if it does not fit the declared return type."""
        if type(value) is self.result_exact:
            return value
        kind = self.result
        if isinstance(kind, Anything):
            return kind.take(value)
        try:
            value = kind.validate(value)
            return value if kind.immutable else kind.decode(kind.encode(value))
        except InvalidArgument as error:
            raise self._misfit(error) from None

    def keep_result(self, value: object) -> Kept:
        """The result as something to keep. Raises InvalidArgument if it does not fit the declared return type."""
        kind = self.result
        try:
            value = kind.validate(value)
            data = kind.encode(value)
        except InvalidArgument as error:
            raise self._misfit(error) from None
        if type(value) in _SCALARS:
            return Kept(value, None, len(data))
        if kind.immutable:
            return Kept(value, None, len(data) * _OBJECTS_TO_BYTES)
        if isinstance(kind, ValueType) and kind.shallow is not None:
            return Kept(kind.decode(data), kind.shallow, len(data) * _OBJECTS_TO_BYTES)
        return Kept(data, kind.decode, len(data))

    def _misfit(self, error: InvalidArgument) -> InvalidArgument:
        return InvalidArgument(f"the result of {self.type_name}.{self.name}: {error}")

    def _no_unicode(self, args: Packed) -> InvalidArgument:
        name = next(p.name for p, value in zip(self.parameters, args, strict=True) if not _is_unicode(value))
        where = f"{self.type_name}.{self.name}(), argument {name!r}"
        return InvalidArgument(f"{where}: the text has a lone surrogate, which has no UTF-8 form")

    def _kind(self, name: str, hints: Mapping[str, object]) -> Kind:
        if name not in hints:
            return Anything()
        try:
            return value_type(hints[name])
        except DeclarationError as error:
            what = "the return type" if name == "return" else f"parameter {name!r}"
            raise DeclarationError(f"{what} of {self.type_name}.{self.name}: {error}") from None

    def _bind(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Packed:
        try:
            bound = self.signature.bind(None, *args, **kwargs)
        except TypeError as error:
            raise InvalidArgument(f"{self.type_name}.{self.name}(): {error}") from None
        bound.apply_defaults()
        return tuple(bound.arguments.values())[1:]

    def _take(self, parameter: Parameter, value: object) -> object:
        if type(value) is parameter.exact and type(value) in _SMALL:
            return value
        kind = parameter.kind
        try:
            value = kind.validate(value)
            if isinstance(value, ObjectRef) or (parameter.immutable and type(value) in _SMALL):
                return value
            encoded = kind.encode(value)  # of an immutable value too: a message that cannot be stored must not be sent
            return value if parameter.immutable else encoded
        except InvalidArgument as error:
            where = f"{self.type_name}.{self.name}(), argument {parameter.name!r}"
            raise InvalidArgument(f"{where}: {error}") from None


def _as_it_is(value: object) -> object:
    return value  # a mutable argument is packed as bytes already


def _is_unicode(value: object) -> bool:
    if type(value) is not str or value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _by_position(
    fn: Callable[..., Coroutine[object, object, object]],
) -> Callable[..., Coroutine[object, object, object]]:
    """`fn` if all its parameters can be given by position, else a function that gives the others by name."""
    parameters = list(inspect.signature(fn).parameters.values())
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    if not names:
        return fn
    first = len(parameters) - len(names)

    @functools.wraps(fn)
    def call(*args: object) -> Coroutine[object, object, object]:
        return fn(*args[:first], **dict(zip(names, args[first:], strict=True)))

    return call


def awaits(fn: Callable[..., object]) -> bool:
    """Whether the code of a coroutine function contains an await of any kind."""
    code = inspect.unwrap(fn).__code__ if not hasattr(fn, "__code__") else fn.__code__
    return any(instruction.opname in _AWAITING for instruction in dis.get_instructions(code))


def _signature(type_name: str, name: str, fn: Callable[..., object]) -> inspect.Signature:
    signature = inspect.signature(fn)
    parameters = list(signature.parameters.values())
    if not parameters:
        raise DeclarationError(f"{type_name}.{name} must take self")
    for p in parameters[1:]:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise DeclarationError(
                f"{type_name}.{name} takes *{p.name}: an invocable method names each parameter, so that stored "
                "messages stay readable; take a list or a dict instead"
            )
    return signature
