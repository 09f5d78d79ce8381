"""Stands in for ssms, which a file of types may import for its main part: that part is not run in a guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Never

from automata.errors import StateError


def __getattr__(name: str) -> Callable[..., Never]:
    """Whatever is asked for refuses to be called."""
    if name.startswith("__"):
        raise AttributeError(name)

    def refuse(*args: object, **options: object) -> Never:
        raise StateError(f"ssms.{name} is not there in a sandboxed class, which runs within an app and opens none")

    return refuse
