"""Marks in annotations, by which those of others are told apart. None is made in a guest."""

from __future__ import annotations

from typing import Any


class FieldInfo:
    """What a model's field is declared with."""

    discriminator: Any = None
    annotation: Any = None
    metadata: Any = ()


class Discriminator:
    """What tells the members of a union apart."""

    discriminator: Any = None


class Tag:
    """The tag of one member."""

    tag: str = ""


class GetCoreSchemaHandler:
    """What makes schemas."""
