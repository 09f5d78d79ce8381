"""Single values to and from their text. Whoever converts others reads them in Python when this raises."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from .errors import ValidationError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DURATION = re.compile(
    r"([+-]?)P(?=\d|T)(?:([\d.]+)D)?(?:T(?=\d)(?:([\d.]+)H)?(?:([\d.]+)M)?(?:([\d.]+)S)?)?", re.ASCII | re.IGNORECASE
)
_HEX = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_SECONDS_A_DAY = 86_400


def to_builtins(value: Any) -> str:
    """The text of a date, timedelta, Decimal or UUID."""
    return duration_text(value) if isinstance(value, timedelta) else str(value)


def convert(value: object, annotation: Any) -> Any:
    """The value of its text. Raises ValidationError, also for types that are read elsewhere."""
    try:
        return _READERS[annotation](value)
    except (KeyError, TypeError, ValueError, OverflowError, InvalidOperation):
        raise ValidationError(f"{value!r} is not read as {annotation!r} here") from None


def duration_text(value: timedelta) -> str:
    """A span in the form of ISO 8601, with days and seconds alone."""
    sign = "-" if value.days < 0 else ""
    value = abs(value) if value != timedelta.min else value
    days, seconds, micros = (-value.days if value.days < 0 else value.days), value.seconds, value.microseconds
    if not seconds and not micros:
        return f"{sign}P{days}D"
    fraction = f".{micros:06}".rstrip("0") if micros else ""
    return f"{sign}P{f'{days}D' if days else ''}T{seconds}{fraction}S"


def _read_duration(value: Any) -> timedelta:
    found = _DURATION.fullmatch(value)
    if found is None:
        raise ValueError
    sign, *numbers = found.groups()
    days, hours, minutes, seconds = (Decimal(number or 0) for number in numbers)
    total = days * _SECONDS_A_DAY + hours * 3600 + minutes * 60 + seconds
    micros = int((total * 1_000_000).to_integral_value(rounding="ROUND_HALF_UP"))
    return timedelta(microseconds=-micros if sign == "-" else micros)


def _read_date(value: Any) -> date:
    if not _DATE.fullmatch(value):
        raise ValueError
    return date.fromisoformat(value)


def _read_decimal(value: object) -> Decimal:
    if type(value) not in (str, int, float):
        raise TypeError
    return Decimal(str(value))


def _read_uuid(value: Any) -> UUID:
    if type(value) is bytes:
        return UUID(bytes=value)
    if not _HEX.fullmatch(value):
        raise ValueError
    return UUID(value)


_READERS: dict[Any, Callable[[Any], Any]] = {
    date: _read_date,
    timedelta: _read_duration,
    Decimal: _read_decimal,
    UUID: _read_uuid,
}
