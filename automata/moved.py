"""The refusal of a host that an object has moved away from."""

from __future__ import annotations

from darq.errors import AutomataError


class Moved(AutomataError):
    """The object lives in another store. Never an outcome: whoever asked asks there, under the same request id.

    store: its identity; empty if this host does not know it.
    """

    def __init__(self, store: bytes) -> None:
        super().__init__(f"the object lives in store {store.hex() or '(not known here)'}")
        self.store = store
