"""Stands in for pydantic_core: names that `automata` mentions for what its host alone does."""

from . import core_schema
from .errors import PydanticCustomError, PydanticSerializationError, PydanticUndefined

__all__ = ["PydanticCustomError", "PydanticSerializationError", "PydanticUndefined", "core_schema"]
