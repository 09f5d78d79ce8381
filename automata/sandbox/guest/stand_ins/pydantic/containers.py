"""Checks of containers and unions, each of which gives a new container of what its elements' checks gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .complaints import Complaint
from .scalars import Check

_KINDS: dict[type, tuple[str, str]] = {
    list: ("list_type", "list"),
    set: ("set_type", "set"),
    frozenset: ("frozen_set_type", "frozenset"),
    tuple: ("tuple_type", "tuple"),
    dict: ("dict_type", "dictionary"),
}


def each_check(kind: Any, element: Check) -> Check:
    """A list, set, frozenset, or tuple of any length."""

    def check(value: Any) -> Any:
        _require(kind, value)
        kept = []
        for at, item in enumerate(value):
            try:
                kept.append(element(item))
            except Complaint as complaint:
                raise complaint.inside(at) from None
        return kind(kept)

    return check


def tuple_check(elements: Sequence[Check]) -> Check:
    """A tuple of so many elements."""

    def check(value: Any) -> Any:
        _require(tuple, value)
        kept = []
        for at, element in enumerate(elements):
            if at == len(value):
                raise Complaint("missing", "Field required", tuple(value)).inside(at)
            try:
                kept.append(element(value[at]))
            except Complaint as complaint:
                raise complaint.inside(at) from None
        if len(value) > len(elements):
            most = f"Tuple should have at most {len(elements)} items after validation, not {len(value)}"
            raise Complaint("too_long", most if len(elements) != 1 else most.replace("items", "item"), value)
        return tuple(kept)

    return check


def dict_check(key: Check, item: Check) -> Check:
    """A dictionary."""

    def check(value: Any) -> Any:
        _require(dict, value)
        kept = {}
        for name, content in value.items():
            try:
                kept_name = key(name)
            except Complaint as complaint:
                raise complaint.inside(name, "[key]") from None
            try:
                kept[kept_name] = item(content)
            except Complaint as complaint:
                raise complaint.inside(name) from None
        return kept

    return check


def union_check(members: Sequence[tuple[str, Check]]) -> Check:
    """The member that takes the value as it is, else the first that takes it."""
    optional = any(label == "none" for label, _ in members)
    others = [(label, check) for label, check in members if label != "none"]

    def check(value: Any) -> Any:
        if value is None and optional:
            return None
        taken, wrong = [], None
        for label, member in others:
            try:
                kept = member(value)
            except Complaint as complaint:
                wrong = wrong or (complaint if len(others) == 1 else complaint.inside(label))
                continue
            if _alike(value, kept):
                return kept
            taken.append(kept)
        if taken:
            return taken[0]
        raise wrong or Complaint("none_required", "Input should be None", value)

    return check


def _require(kind: type, value: object) -> None:
    if not isinstance(value, kind):
        name, what = _KINDS[kind]
        raise Complaint(name, f"Input should be a valid {what}", value)


def _alike(value: Any, kept: Any) -> bool:
    """Whether nothing in the value had to become another type."""
    kind = type(kept)
    if kind is dict:
        return all(map(_alike, value, kept)) and all(map(_alike, value.values(), kept.values()))
    if kind is list or kind is tuple:
        return all(map(_alike, value, kept))
    if kind is set or kind is frozenset:
        return {(type(item), item) for item in value} == {(type(item), item) for item in kept}
    return type(value) is kind
