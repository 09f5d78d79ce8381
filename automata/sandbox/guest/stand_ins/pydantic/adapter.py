"""Strict validation of one annotation: the verdicts of pydantic, and its complaints, for plain types."""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin

from automata.errors import DeclarationError

from .complaints import Complaint
from .containers import dict_check, each_check, tuple_check, union_check
from .errors import PydanticSchemaGenerationError
from .scalars import CHECKS, Check

__all__ = ["TypeAdapter", "ValidationError"]

_EACH = (list, set, frozenset)


class ValidationError(ValueError):
    """A value does not fit."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint.message)
        self._complaint = complaint

    def errors(self, **options: object) -> list[dict[str, Any]]:
        """What is wrong: the first complaint alone."""
        wrong = self._complaint
        return [{"type": wrong.kind, "loc": tuple(wrong.place), "msg": wrong.message, "input": wrong.value}]


class Validator:
    """Validates values of one annotation."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def validate_python(self, value: Any, *, strict: bool = True) -> Any:
        """The value to keep. Raises ValidationError. It is always strict."""
        try:
            return self._check(value)
        except Complaint as complaint:
            raise ValidationError(complaint) from None


class TypeAdapter:
    """Validation for an annotation; PydanticSchemaGenerationError for classes that it does not know."""

    def __init__(self, annotation: Any) -> None:
        self.validator = Validator(_check_of(annotation))


def _check_of(annotation: Any) -> Check:
    if annotation in CHECKS:
        return CHECKS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, *marks = arguments
        _refuse_constraints(marks)
        return _check_of(inner)
    if origin in {Union, types.UnionType}:
        return union_check([(_label(member), _check_of(member)) for member in arguments])
    if origin in _EACH and arguments:
        return each_check(origin, _check_of(arguments[0]))
    if origin is dict and arguments:
        return dict_check(*map(_check_of, arguments))
    if origin is tuple or annotation == tuple[()]:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return each_check(tuple, _check_of(arguments[0]))
        return tuple_check([_check_of(argument) for argument in arguments])
    if hasattr(annotation, "__supertype__"):
        return _check_of(annotation.__supertype__)
    if hasattr(annotation, "__value__"):
        return _check_of(annotation.__value__)
    raise PydanticSchemaGenerationError(f"{annotation!r} is not known here")


def _refuse_constraints(marks: list[object]) -> None:
    for mark in marks:
        if not isinstance(mark, str):
            raise DeclarationError(
                f"{mark!r} is a constraint of pydantic, which a sandboxed class has not: check the value in the method"
            )


def _label(annotation: Any) -> str:
    if annotation is type(None):
        return "none"
    return annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
