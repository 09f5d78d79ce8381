"""Instances of dataclasses, NamedTuples and pydantic models, taken apart and put together without running their code.

Classes evolve: a field that the record lacks takes its default, one that the class lacks is ignored. Neither
`__init__`, `__post_init__` nor a validator runs, as the value passed them when it was first made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from automata.classes import class_name
from automata.errors import InvalidArgument

Model = TypeVar("Model", bound=BaseModel)

UNSET = ""
"""In a model's record: the fields that were left at their default (`exclude_unset`). No field has an empty name."""

_set = object.__setattr__


def is_named_tuple(cls: type) -> bool:
    """Whether `cls` is a NamedTuple."""
    return issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple) and hasattr(cls, "_make")


def dataclass_record(instance: Any) -> dict[str, object]:
    """The fields of a dataclass instance by name, without those that were never set."""
    names = [field.name for field in dataclasses.fields(instance)]
    return {name: getattr(instance, name) for name in names if hasattr(instance, name)}


def build_dataclass(cls: type, record: Mapping[str, object]) -> Any:
    """An instance of the dataclass `cls` with the fields of `record`."""
    instance = object.__new__(cls)
    for field in dataclasses.fields(cls):
        if field.name in record:
            _set(instance, field.name, record[field.name])
        elif field.default_factory is not dataclasses.MISSING:
            _set(instance, field.name, field.default_factory())
        elif isinstance(field.default, FieldInfo):
            _set(instance, field.name, _model_default(cls, field.name, field.default, {}))
        elif field.default is not dataclasses.MISSING:
            _set(instance, field.name, field.default)
        elif field.init:
            raise missing(cls, field.name)
    return instance


def build_tuple(cls: type, items: Sequence[object]) -> Any:
    """An instance of the NamedTuple `cls`: surplus items are ignored, missing ones take their defaults."""
    names: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
    if len(items) < len(names):
        defaults: dict[str, object] = cls._field_defaults  # type: ignore[attr-defined]
        items = [*items, *(_tuple_default(cls, name, defaults) for name in names[len(items) :])]
    return tuple.__new__(cls, items[: len(names)])


def model_record(model: BaseModel) -> dict[str, object]:
    """The fields of a pydantic model by name, its extra ones too, and under `UNSET` those never set explicitly.

    Private attributes are no part of the value, as in pydantic's own dumps.
    """
    fields = type(model).model_fields
    values = model.__dict__
    record = {name: values[name] for name in fields if name in values}
    unset = fields.keys() - model.model_fields_set
    extra = model.__pydantic_extra__
    if extra:
        if UNSET in extra:
            raise InvalidArgument(f"a {class_name(type(model))} has an extra field with an empty name")
        record.update(extra)
    if unset:
        record[UNSET] = sorted(unset)
    return record


def build_model(cls: type[Model], record: Mapping[str, object]) -> Model:
    """An instance of the model `cls` with the fields of `record`."""
    fields = cls.model_fields
    values = {name: record[name] for name in fields if name in record}
    unset = record.get(UNSET, ())
    given = set(values).difference(unset) if isinstance(unset, list) else set(values)
    if len(values) < len(fields):
        for name, field in fields.items():
            if name not in values:
                values[name] = _model_default(cls, name, field, values)
        values = {name: values[name] for name in fields}
    extra: dict[str, object] | None = None
    if cls.model_config.get("extra") == "allow":
        extra = {name: item for name, item in record.items() if name not in fields and name != UNSET}
        given.update(extra)
    return _assemble(cls, values, extra, given)


def _assemble(cls: type[Model], values: dict[str, Any], extra: dict[str, Any] | None, given: set[str]) -> Model:
    model = cls.__new__(cls)
    _set(model, "__dict__", values)
    _set(model, "__pydantic_fields_set__", given)
    _set(model, "__pydantic_extra__", extra)
    _set(model, "__pydantic_private__", _private(cls))
    return model


def _private(cls: type[BaseModel]) -> dict[str, Any] | None:
    attributes = cls.__private_attributes__
    if not attributes:
        return None
    defaults = {name: attribute.get_default() for name, attribute in attributes.items()}
    return {name: default for name, default in defaults.items() if default is not PydanticUndefined}


def _model_default(cls: type, name: str, field: FieldInfo, values: dict[str, Any]) -> Any:
    if field.is_required():
        raise missing(cls, name)
    return field.get_default(call_default_factory=True, validated_data=values)


def _tuple_default(cls: type, name: str, defaults: Mapping[str, object]) -> object:
    if name not in defaults:
        raise missing(cls, name)
    return defaults[name]


def missing(cls: type, name: str) -> InvalidArgument:
    """The refusal to build a `cls` from a record without `name`."""
    return InvalidArgument(
        f"{class_name(cls)}.{name} is not in the stored value and has no default: give it one, or write a migrate"
    )
