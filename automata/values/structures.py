"""Shapes of dataclasses, NamedTuples, TypedDicts and pydantic models, of the shapes of their fields.

An instance of a subclass is refused wherever the base is declared: what the subclass adds would silently be cut.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NotRequired, TypedDict

from pydantic import BaseModel

from automata.errors import InvalidArgument
from automata.values.classes import class_name
from automata.values.records import UNSET, build_dataclass, build_tuple, model_form
from automata.values.shape import Shape, StandIn, inside, refusal, same, type_name
from automata.values.wire import Wire, to_wire

Fields = Mapping[str, Shape]


def dataclass_shape(cls: type[Any], fields: Fields) -> Shape:
    """A dataclass: a map of its fields by name."""
    validate_fields = _field_validator(fields)
    packers = [(name, field.pack) for name, field in fields.items()]

    def validate(value: Any) -> Any:
        if type(value) is not cls:
            raise _not_exactly(cls, value)
        changed = validate_fields(value)
        return _with(value, changed) if changed else value

    unpack_fields = _field_unpacker(cls, fields)

    def unpack(wire: Wire) -> Any:
        return build_dataclass(cls, unpack_fields(wire))

    declared = dataclasses.fields(cls)
    simple = (
        not hasattr(cls, "__post_init__")
        and not hasattr(cls, "__pydantic_fields__")
        and all(field.init for field in declared)
        and not any(type(item) is dataclasses.InitVar for item in vars(cls).get("__annotations__", {}).values())
    )
    native = simple and all(field.native for field in fields.values())
    parameters = cls.__dataclass_params__
    return Shape(
        annotation=cls,
        validate=validate,
        pack=lambda value: {name: pack(getattr(value, name)) for name, pack in packers},
        unpack=unpack,
        python=frozenset({cls}),
        wire=frozenset({dict}),
        immutable=parameters.frozen and all(field.immutable for field in fields.values()),
        as_is=all(field.init for field in declared) and all(field.as_is for field in fields.values()),
        native=native,
    )


def named_tuple_shape(cls: type[Any], fields: Fields) -> Shape:
    """A NamedTuple: an array of its fields in order."""
    shapes = list(fields.items())

    def validate(value: Any) -> Any:
        if type(value) is not cls:
            raise _not_exactly(cls, value)
        items = [_at(name, field.validate, item) for (name, field), item in zip(shapes, value, strict=True)]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else build_tuple(cls, items)

    def unpack(wire: Wire) -> Any:
        if type(wire) is not list:
            raise refusal(type_name(cls), wire)
        return build_tuple(
            cls, [_at(name, field.unpack, item) for (name, field), item in zip(shapes, wire, strict=False)]
        )

    native = all(field.native for field in fields.values())
    return Shape(
        annotation=cls,
        validate=validate,
        pack=lambda value: [field.pack(item) for (_, field), item in zip(shapes, value, strict=True)],
        unpack=unpack,
        python=frozenset({cls}),
        wire=frozenset({list}),
        immutable=all(field.immutable for field in fields.values()),
        as_is=all(field.as_is for field in fields.values()),
        native=native,
    )


def typed_dict_shape(cls: type[Any], fields: Fields, required: frozenset[str]) -> Shape:
    """A TypedDict: a map of its keys."""

    def each(value: Any, run: Callable[[Shape], Callable[[Any], Any]]) -> dict[str, Any]:
        if type(value) is not dict:
            raise refusal(type_name(cls), value)
        lacking = required - value.keys()
        if lacking:
            raise InvalidArgument(f"expected {type_name(cls)}, got a dict without {min(lacking)!r}")
        return {name: _at(name, run(field), value[name]) for name, field in fields.items() if name in value}

    def validate(value: Any) -> Any:
        kept = each(value, lambda field: field.validate)
        surplus = [name for name in value if name not in fields]
        if surplus:
            raise InvalidArgument(f"expected {type_name(cls)}, got a dict with the unknown key {surplus[0]!r}")
        return kept

    return Shape(
        annotation=cls,
        validate=validate,
        pack=lambda value: {name: fields[name].pack(item) for name, item in value.items()},
        unpack=lambda wire: each(wire, lambda field: field.unpack),
        python=frozenset({dict}),
        wire=frozenset({dict}),
        as_is=all(field.as_is for field in fields.values()),
    )


def model_shape(cls: type[BaseModel], fields: Fields) -> Shape:
    """A pydantic model: a map of its fields by name (`automata.values.records.model_record`).

    Its own validators ran when it was made, and do not run again; the types of its fields are checked, as pydantic
    leaves assignments unchecked.
    """
    form = model_form(cls)
    validate_fields, unpack_fields = _field_validator(fields), _field_unpacker(cls, fields)
    packers = [(name, field.pack) for name, field in fields.items() if field.pack is not same]

    def validate(value: Any) -> Any:
        if type(value) is not cls:
            raise _not_exactly(cls, value)
        changed = validate_fields(value)
        if form.extra_allowed:
            to_wire(value.__pydantic_extra__)
        if not changed:
            return value
        kept = copy.copy(value)
        kept.__dict__.update(changed)
        return kept

    def pack(value: Any) -> Wire:
        record = form.record(value)
        if packers:
            record = {**record, **{name: write(record[name]) for name, write in packers}}
        if form.extra_allowed:
            record.update({name: to_wire(item) for name, item in value.__pydantic_extra__.items()})
        return record

    def unpack(wire: Wire) -> Any:
        record = unpack_fields(wire)
        if UNSET in wire:
            record[UNSET] = wire[UNSET]
        return form.build({**wire, **record} if form.extra_allowed else record)

    return Shape(
        annotation=cls,
        validate=validate,
        pack=pack,
        unpack=unpack,
        python=frozenset({cls}),
        wire=frozenset({dict}),
        immutable=bool(cls.model_config.get("frozen"))
        and form.plain
        and all(field.immutable for field in fields.values()),
        stand_in=None if form.extra_allowed else _stand_in(fields, form.build),
        shallow=form.copy if form.plain and all(field.immutable for field in fields.values()) else None,
    )


def _stand_in(fields: Fields, build: Callable[[Any], Any]) -> StandIn | None:
    """A TypedDict that msgspec reads for a model, if all its fields are native."""
    if not all(field.native for field in fields.values()):
        return None
    keys: dict[str, Any] = {name: field.annotation for name, field in fields.items()}
    return StandIn(TypedDict("Record", {**keys, UNSET: NotRequired[list[str]]}), build)  # type: ignore[operator]


def _field_validator(fields: Fields) -> Callable[[Any], dict[str, Any]]:
    """A function that gives the fields of an instance whose validation changed them; mostly none."""
    rows = [(name, field.exact, field.validate) for name, field in fields.items()]

    def validate(instance: Any) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        name = ""
        try:
            for name, exact, check in rows:
                value = getattr(instance, name)
                if type(value) is exact:
                    continue
                kept = check(value)
                if kept is not value:
                    changed[name] = kept
        except InvalidArgument as error:
            raise inside(name, error) from None
        except AttributeError:
            raise InvalidArgument(f"{name}: the field is not set") from None
        return changed

    return validate


def _field_unpacker(cls: type[Any], fields: Fields) -> Callable[[Wire], dict[str, Any]]:
    """A function that gives the fields of a packed record that the class has."""
    rows = [(name, field.exact if field.transparent else None, field.unpack) for name, field in fields.items()]

    def unpack(wire: Wire) -> dict[str, Any]:
        if type(wire) is not dict:
            raise refusal(type_name(cls), wire)
        record: dict[str, Any] = {}
        name = ""
        try:
            for name, exact, read in rows:
                if name in wire:
                    item = wire[name]
                    record[name] = item if type(item) is exact else read(item)
        except InvalidArgument as error:
            raise inside(name, error) from None
        return record

    return unpack


def _with(instance: Any, changed: Mapping[str, Any]) -> Any:
    """A copy of a dataclass instance with some fields changed; neither its `__init__` nor its `__post_init__` runs."""
    values = {field.name: getattr(instance, field.name) for field in dataclasses.fields(instance)}
    return build_dataclass(type(instance), {**values, **changed})


def _at(name: str, function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return function(item)
    except InvalidArgument as error:
        raise inside(name, error) from None


def _not_exactly(cls: type, value: object) -> InvalidArgument:
    error = refusal(type_name(cls), value)
    if isinstance(value, cls):
        return InvalidArgument(f"{error}: what this subclass adds would be lost; declare it, or a tagged union")
    if class_name(type(value)) == class_name(cls):
        return InvalidArgument(f"{error}, which was defined again since: define again what uses it, too")
    return error
