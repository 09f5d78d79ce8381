"""Names that `automata` mentions for what its host alone does."""

from __future__ import annotations


class Struct:
    """The base of records that pass between parts of a host. None is made in a guest."""

    def __init_subclass__(cls, **options: object) -> None:
        """Whatever the options are."""


class Raw(bytes):
    """Bytes that are read later."""
