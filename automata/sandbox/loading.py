"""What is loaded once, when it is first needed, while nobody else waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Loaded(Generic[T]):
    """What `load` gives. Each has a lock of its own: loading one may take minutes, and holds up none of the others.

    Python 3.11's `cached_property` has one lock for all objects of a class.
    """

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._loading = threading.Lock()
        self._found: T | None = None

    @property
    def ready(self) -> bool:
        """Whether it is here, so that `get` waits for nothing."""
        return self._found is not None

    def get(self) -> T:
        """It, which is loaded now if it is not here yet. Raises what loading raises, and tries again the next time."""
        if self._found is None:
            with self._loading:
                if self._found is None:
                    self._found = self._load()
        return self._found
