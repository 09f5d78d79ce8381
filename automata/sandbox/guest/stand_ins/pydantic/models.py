"""The base of models, which no guest has."""

from __future__ import annotations

from typing import Any

from automata.errors import DeclarationError


class BaseModel:
    """Refuses to be derived from. Its slots are those that `automata` reads models through."""

    __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")

    model_fields: Any
    model_config: Any

    def __init_subclass__(cls, **options: object) -> None:
        """Always refuse."""
        raise DeclarationError(
            f"{cls.__name__} is a pydantic model, and pydantic is compiled for one machine: in a sandboxed class use a "
            "dataclass, a NamedTuple or a TypedDict"
        )
