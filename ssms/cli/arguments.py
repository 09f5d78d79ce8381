"""Arguments of a call as they are typed: JSON, or a bare word for a text; then what the method declares."""

import json
from typing import Any

import typer
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from automata.methods import Kind, Method
from automata.reference import RefTarget
from automata.refs import ref
from automata.values.value_type import ValueType

_OPENERS = ("{", "[", '"')  # what begins so is meant to be JSON


def parse_argument(text: str) -> object:
    """The JSON value in `text`, or `text` itself if it is a bare word. Raises typer.BadParameter for broken JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if text.lstrip().startswith(_OPENERS):
            raise typer.BadParameter(f"{text!r} is no JSON: {error}") from error
        return text


def arguments_for(method: Method, texts: list[str]) -> list[object]:
    """The arguments for a call of `method`; those that do not fit stay as typed, and the call refuses them by name."""
    kinds: list[Kind | None] = [parameter.kind for parameter in method.parameters]
    kinds += [None] * (len(texts) - len(kinds))
    return [argument_for(kind, text) for kind, text in zip(kinds, texts, strict=False)]


def argument_for(kind: Kind | None, text: str) -> object:
    """One argument: a Ref as TYPE/KEY, a text as it stands, and what JSON lacks as pydantic writes it in JSON."""
    value = parse_argument(text)
    if not isinstance(kind, ValueType):
        return value
    if kind.exact is str:
        return value if isinstance(value, str) else text
    if isinstance(value, str) and _is_ref(kind.annotation):
        type_name, slash, key = value.partition("/")
        return ref(type_name, key) if slash else value
    return _from_json(kind.annotation, value)


def _is_ref(annotation: Any) -> bool:
    return any(isinstance(mark, RefTarget) for mark in getattr(annotation, "__metadata__", ()))


def _from_json(annotation: Any, value: object) -> object:
    try:
        return TypeAdapter(annotation).validate_json(json.dumps(value), strict=True)
    except (PydanticSchemaGenerationError, PydanticUserError, ValidationError):
        return value
