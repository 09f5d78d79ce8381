"""Shapes of lists, sets, tuples and dictionaries, of the shapes of their elements."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from automata.errors import DeclarationError, InvalidArgument
from automata.values.leaves import checked
from automata.values.shape import ANY, Shape, StandIn, convert_first, inside, refusal, same, type_name
from automata.values.wire import INT_MAX, INT_MIN, Wire, to_bytes


def collection_shape(annotation: Any, kind: type[Any], element: Shape) -> Shape:
    """`list[T]`, `set[T]`, `frozenset[T]` or `tuple[T, ...]`."""
    if kind in {set, frozenset} and not _hashable(element):
        raise DeclarationError(f"{type_name(annotation)}: elements of a {kind.__name__} must be immutable and hashable")

    def validate(value: Any) -> Any:
        if type(value) is not kind:
            raise refusal(type_name(annotation), value)
        return kind(_each(element.validate, value))

    def unpack(wire: Wire) -> Any:
        if type(wire) is not list:
            raise refusal(type_name(annotation), wire)
        return kind(_each(element.unpack, wire))

    return Shape(
        annotation=annotation,
        validate=checked(annotation) if element.plain else validate,
        pack=_packer(kind, element),
        unpack=convert_first(annotation, unpack) if element.plain else unpack,
        python=frozenset({kind}),
        wire=frozenset({list}),
        immutable=kind in {tuple, frozenset} and element.immutable,
        plain=element.plain,
        as_is=element.as_is and kind not in {set, frozenset},
        native=element.native,
        transparent=kind is list and element.transparent,
        stand_in=_stand_in(kind, element),
        shallow=_shallow(kind, element),
    )


def _stand_in(kind: type[Any], element: Shape) -> StandIn | None:
    """What msgspec reads for a list of what it does not know: a list of stand-ins."""
    if kind is not list or element.stand_in is None:
        return None
    annotation, finish = element.stand_in
    return StandIn(list[annotation], lambda items: [finish(item) for item in items])  # type: ignore[valid-type]


def _shallow(kind: type[Any], element: Shape) -> Callable[[Any], Any] | None:
    if element.immutable:
        return kind
    each = element.shallow
    return None if each is None else lambda value: kind([each(item) for item in value])


def _packer(kind: type[Any], element: Shape) -> Callable[[Any], Wire]:
    """Sets in the order of their members' bytes: equal sets must have one encoding, and their own order is chance."""
    if kind in {set, frozenset}:
        return lambda value: sorted((element.pack(item) for item in value), key=to_bytes)
    return list if element.pack is same else lambda value: [element.pack(item) for item in value]


def tuple_shape(annotation: Any, elements: tuple[Shape, ...]) -> Shape:
    """`tuple[A, B]`: a fixed number of elements, each of its own shape."""
    native = all(element.native for element in elements)
    plain = all(element.plain for element in elements)

    def row(items: Any, fits: bool, functions: list[Callable[[Any], Any]]) -> Any:
        if not fits:
            raise refusal(type_name(annotation), items)
        if len(items) != len(functions):
            raise InvalidArgument(f"expected {type_name(annotation)}, got {len(items)} elements")
        return tuple(_run(function, item, at) for at, (function, item) in enumerate(zip(functions, items, strict=True)))

    validators = [element.validate for element in elements]
    unpackers = [element.unpack for element in elements]
    packers = [element.pack for element in elements]

    def unpack(wire: Wire) -> Any:
        return row(wire, type(wire) is list, unpackers)

    return Shape(
        annotation=annotation,
        validate=checked(annotation) if plain else lambda value: row(value, type(value) is tuple, validators),
        pack=lambda value: [pack(item) for pack, item in zip(packers, value, strict=True)],
        unpack=convert_first(annotation, unpack) if plain else unpack,
        python=frozenset({tuple}),
        wire=frozenset({list}),
        immutable=all(element.immutable for element in elements),
        plain=plain,
        as_is=all(element.as_is for element in elements),
        native=native,
    )


_MAP_KEYS = frozenset({type(None), bool, int, float, str, bytes})


def dict_shape(annotation: Any, key: Shape, item: Shape) -> Shape:
    """`dict[K, V]`: a map; as a list of pairs when a key packs to what no map can have as a key."""
    if not _hashable(key):
        raise DeclarationError(f"{type_name(annotation)}: keys of a dict must be immutable and hashable")
    mapped = key.wire <= _MAP_KEYS  # but for integers beyond 64 bits
    native = mapped and key.native and item.native
    plain = key.plain and item.plain

    def validate(value: Any) -> Any:
        if type(value) is not dict:
            raise refusal(type_name(annotation), value)
        return {_run(key.validate, k, "key"): _run(item.validate, v, k) for k, v in value.items()}

    def pack(value: dict[Any, Any]) -> Wire:
        if key.pack is same and item.pack is same:
            return value
        pairs = [(key.pack(k), item.pack(v)) for k, v in value.items()]
        return dict(pairs) if all(_is_map_key(k) for k, _ in pairs) else [list(pair) for pair in pairs]

    def unpack(wire: Wire) -> Any:
        if type(wire) is dict:
            return {_run(key.unpack, k, "key"): _run(item.unpack, v, k) for k, v in wire.items()}
        if type(wire) is list and all(type(pair) is list and len(pair) == 2 for pair in wire):
            return {_run(key.unpack, k, "key"): _run(item.unpack, v, k) for k, v in wire}
        raise refusal(type_name(annotation), wire)

    return Shape(
        annotation=annotation,
        validate=checked(annotation) if plain else validate,
        pack=pack,
        unpack=convert_first(annotation, unpack) if plain else unpack,
        python=frozenset({dict}),
        wire=frozenset({dict}) if mapped and int not in key.wire else frozenset({dict, list}),
        plain=plain,
        as_is=mapped and key.as_is and item.as_is,
        native=native,
        transparent=mapped and key.transparent and item.transparent,
        shallow=dict if item.immutable else None,
    )


def _hashable(element: Shape) -> bool:
    """Whether values can be in a set: of `Any` they are, as the set would not exist otherwise."""
    return element.immutable or element.python == ANY


def _is_map_key(wire: Wire) -> bool:
    return type(wire) in _MAP_KEYS and not (type(wire) is int and not INT_MIN <= wire <= INT_MAX)


def _each(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    return [_run(function, item, at) for at, item in enumerate(items)]


def _run(function: Callable[[Any], Any], item: Any, where: object) -> Any:
    try:
        return function(item)
    except InvalidArgument as error:
        raise inside(where, error) from None
