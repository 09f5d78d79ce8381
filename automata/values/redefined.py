"""Values of classes of which a host has old and new code: programs deploy their types one by one.

They are taken for what they are: instances of the same class, as it was or as it is. A field that the new class lacks
is left out, one that it has besides takes its default, as when stored values are read.

That is for classes that have come with their code, whose methods see each the classes of their own code. Where a
program defines a class again, as a notebook does, its methods see the new one, and have to be defined again too.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from pydantic import BaseModel

from automata.values.records import (
    build_dataclass,
    build_tuple,
    dataclass_record,
    is_named_tuple,
    model_form,
)

Places = Mapping[tuple[str, str], type]
"""Classes by module and qualified name."""

_ARRIVED: weakref.WeakSet[type] = weakref.WeakSet()


def arrived(cls: type) -> None:
    """The class has come with its code, and may be there in other versions, too."""
    _ARRIVED.add(cls)


def places(classes: Iterable[type]) -> Places:
    """Those of the classes whose values can be taken over from another version."""
    return {_place(cls): cls for cls in classes if cls in _ARRIVED and (_is_record(cls) or issubclass(cls, Enum))}


def taken_over(value: Any, classes: Places) -> Any:
    """The value, with instances of these classes where it has those of other definitions; itself if it has none.

    Raises InvalidArgument or ValueError for what one of the classes cannot be.
    """
    cls = type(value)
    if cls in {list, tuple, set, frozenset}:
        items = [taken_over(item, classes) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else cls(items)
    if cls is dict:
        pairs = [(taken_over(key, classes), taken_over(item, classes)) for key, item in value.items()]
        same = all(new[0] is old[0] and new[1] is old[1] for new, old in zip(pairs, value.items(), strict=True))
        return value if same else dict(pairs)
    target = classes.get(_place(cls))
    if target is None:
        return value
    if issubclass(target, Enum):
        return value if target is cls or not isinstance(value, Enum) else target[value.name]
    return _record(value, target, classes) if _is_record(cls) else value


def _record(value: Any, target: type, classes: Places) -> Any:
    record = _fields(value)
    renewed = {name: taken_over(item, classes) for name, item in record.items()}
    if type(value) is target and all(renewed[name] is record[name] for name in record):
        return value
    if issubclass(target, BaseModel):
        return model_form(target).build(renewed)
    if dataclasses.is_dataclass(target):
        return build_dataclass(target, renewed)
    return build_tuple(target, list(renewed.values()))


def _fields(value: Any) -> Mapping[str, object]:
    if isinstance(value, BaseModel):
        return model_form(type(value)).record(value)
    return dataclass_record(value) if dataclasses.is_dataclass(value) else value._asdict()


def _is_record(cls: type) -> bool:
    return issubclass(cls, BaseModel) or dataclasses.is_dataclass(cls) or is_named_tuple(cls)


def _place(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__
