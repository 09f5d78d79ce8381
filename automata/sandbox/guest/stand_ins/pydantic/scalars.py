"""Checks of single values, as strict as pydantic's: subclasses of numbers and text become the plain types."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from .complaints import Complaint

Check = Callable[[Any], Any]


def _int(value: Any) -> int:
    if type(value) is int:
        return value
    if isinstance(value, int) and type(value) is not bool:
        return int(value)
    raise Complaint("int_type", "Input should be a valid integer", value)


def _float(value: Any) -> float:
    kind = type(value)
    if kind is float:
        return value  # type: ignore[no-any-return]
    if kind is not bool and hasattr(kind, "__float__"):
        try:
            return float(value)
        except (OverflowError, TypeError, ValueError):
            pass  # the complaint says what it should be
    raise Complaint("float_type", "Input should be a valid number", value)


def _str(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    raise Complaint("string_type", "Input should be a valid string", value)


def _bool(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise Complaint("bool_type", "Input should be a valid boolean", value)


def _none(value: Any) -> None:
    if value is not None:
        raise Complaint("none_required", "Input should be None", value)


def _date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise Complaint("date_type", "Input should be a valid date", value)


def _decimal(value: Any) -> Decimal:
    if not isinstance(value, Decimal):
        raise Complaint("is_instance_of", "Input should be an instance of Decimal", value)
    if not value.is_finite():
        raise Complaint("finite_number", "Input should be a finite number", value)
    return value if type(value) is Decimal else Decimal(value)


def _instance(cls: type, kind: str, what: str) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        raise Complaint(kind, f"Input should be {what}", value)

    return check


CHECKS: dict[Any, Check] = {
    type(None): _none,
    None: _none,
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    bytes: _instance(bytes, "bytes_type", "a valid bytes"),
    datetime: _instance(datetime, "datetime_type", "a valid datetime"),
    date: _date,
    time: _instance(time, "time_type", "a valid time"),
    timedelta: _instance(timedelta, "time_delta_type", "a valid timedelta"),
    Decimal: _decimal,
    UUID: _instance(UUID, "is_instance_of", "an instance of UUID"),
}
