"""Stands in for pydantic: strict validation of plain values. Models and constraints are refused, with a sentence."""

from .adapter import TypeAdapter, ValidationError
from .errors import PydanticUserError
from .fields import Discriminator, GetCoreSchemaHandler, Tag
from .models import BaseModel

__all__ = [
    "BaseModel",
    "Discriminator",
    "GetCoreSchemaHandler",
    "PydanticUserError",
    "Tag",
    "TypeAdapter",
    "ValidationError",
]
