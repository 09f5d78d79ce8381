"""Instances of dataclasses, NamedTuples and pydantic models, taken apart and put together without running their code.

Classes evolve: a field that the record lacks takes its default, one that the class lacks is ignored. Neither
`__init__`, `__post_init__` nor a validator runs, as the value passed them when it was first made.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from automata.errors import InvalidArgument
from automata.values.classes import class_name

UNSET = ""
"""In a model's record: the fields that were left at their default (`exclude_unset`). No field has an empty name."""

_set = object.__setattr__
# A model's own `__setattr__` validates and runs hooks; these are the slots under it.
_set_values = BaseModel.__dict__["__dict__"].__set__
_set_given = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__


def is_named_tuple(cls: type) -> bool:
    """Whether `cls` is a NamedTuple."""
    return issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple) and hasattr(cls, "_make")


def dataclass_record(instance: Any) -> dict[str, object]:
    """The fields of a dataclass instance by name, without those that were never set."""
    names = [field.name for field in dataclasses.fields(instance)]
    return {name: getattr(instance, name) for name in names if hasattr(instance, name)}


def build_dataclass(cls: type, record: Mapping[str, object]) -> Any:
    """An instance of the dataclass `cls` with the fields of `record`."""
    instance: Any = object.__new__(cls)
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


class ModelForm:
    """One pydantic model class, prepared for taking its instances apart and putting them together.

    plain: an instance holds its declared fields and nothing besides.
    Private attributes are no part of the value, as in pydantic's own dumps: they start at their defaults again.
    """

    __slots__ = ("_cls", "_defaults", "_names", "_private", "extra_allowed", "plain")

    def __init__(self, cls: type[BaseModel]) -> None:
        self._cls = cls
        self._names = frozenset(cls.model_fields)
        self._defaults: dict[str, FieldInfo] = dict(cls.model_fields)
        self._private = dict(cls.__private_attributes__)
        self.extra_allowed = cls.model_config.get("extra") == "allow"
        self.plain = not self.extra_allowed and not self._private

    def record(self, model: BaseModel) -> dict[str, object]:
        """The fields by name, the extra ones too, and under `UNSET` those that were never set explicitly.

        May be the model's own dictionary: read it, do not change it.
        """
        values, given = model.__dict__, model.__pydantic_fields_set__
        if not self.extra_allowed and len(values) == len(given) == len(self._names):
            return values
        record = {name: values[name] for name in self._defaults if name in values}
        extra = model.__pydantic_extra__
        if extra:
            if UNSET in extra:
                raise InvalidArgument(f"a {class_name(self._cls)} has an extra field with an empty name")
            record.update(extra)
        unset = self._names - given
        if unset:
            record[UNSET] = sorted(unset)
        return record

    def copy(self, model: BaseModel) -> BaseModel:
        """Another instance of a plain model with the same fields. What its properties have cached stays behind."""
        values = model.__dict__
        if len(values) == len(self._names):
            values = values.copy()
        else:
            values = {name: values[name] for name in self._defaults if name in values}
        copied: BaseModel = object.__new__(self._cls)
        _set_values(copied, values)
        _set_given(copied, model.__pydantic_fields_set__.copy())
        _set_extra(copied, None)
        _set_private(copied, None)
        return copied

    def build(self, record: dict[str, Any]) -> BaseModel:
        """An instance with the fields of `record`, which may become the instance's own dictionary."""
        names = self._names
        extra: dict[str, object] | None = None
        if record.keys() == names:
            values, given = record, set(names)
        else:
            values, given = self._complete(record)
        if self.extra_allowed:
            extra = {name: item for name, item in record.items() if name not in names and name != UNSET}
            given.update(extra)
        model: BaseModel = object.__new__(self._cls)
        _set_values(model, values)
        _set_given(model, given)
        _set_extra(model, extra)
        _set_private(model, self._private_defaults(values) if self._private else None)
        return model

    def _complete(self, record: Mapping[str, object]) -> tuple[dict[str, Any], set[str]]:
        """All fields, and the names of those given explicitly, of a record that may lack some or hold others."""
        values: dict[str, Any] = {}
        for name, field in self._defaults.items():
            values[name] = record[name] if name in record else _model_default(self._cls, name, field, values)
        unset = record.get(UNSET, ())
        given = {name for name in values if name in record}
        return values, given.difference(unset) if isinstance(unset, list) else given

    def _private_defaults(self, values: dict[str, Any]) -> dict[str, Any]:
        private: dict[str, Any] = {}
        for name, attribute in self._private.items():
            default = attribute.get_default(call_default_factory=True, validated_data={**values, **private})
            if default is not PydanticUndefined:
                private[name] = default
        return private


@functools.cache
def model_form(cls: type[BaseModel]) -> ModelForm:
    """The form of the model `cls`, prepared once."""
    return ModelForm(cls)


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
