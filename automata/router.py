"""The door of an application: where its invocations enter, from clients and from outboxes alike.

`ssms` opens apps and registers their routers here; an invocation goes to its ref's app, or to the only open one.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol

from automata.errors import StateError

if TYPE_CHECKING:
    from automata.invocation import Invocation, Sent
    from automata.reference import ObjectRef


class Router(Protocol):
    """Takes invocations from outside of any method to wherever their objects live."""

    def call(self, invocation: Invocation) -> Generator[Any, Any, Any]:
        """Make the call and give its result, once that is durable. For `yield from` in any event loop."""

    def post(self, invocation: Invocation) -> Sent:
        """Send the message."""


class OpenRouters:
    """The routers of the apps that are open in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._routers: list[Router] = []
        self._only: Router | None = None

    def add(self, router: Router) -> None:
        """An app is open."""
        self._change([*self._routers, router])

    def remove(self, router: Router) -> None:
        """An app is closed."""
        self._change([r for r in self._routers if r is not router])

    def only(self) -> Router:
        """The router of the one open app; StateError if there is none or there are several."""
        if self._only is not None:
            return self._only
        if not self._routers:
            raise StateError("no app is open: use `async with ssms.open(path)`, or `with` from synchronous code")
        raise StateError(f"{len(self._routers)} apps are open: say which one with app.ref(...)")

    def _change(self, routers: list[Router]) -> None:
        with self._lock:
            self._routers = routers
            self._only = routers[0] if len(routers) == 1 else None


OPEN = OpenRouters()
"""Of this process."""


def of(ref: ObjectRef) -> Router:
    """The router that an invocation through `ref` goes to."""
    app = ref.app
    return OPEN.only() if app is None else app.router  # type: ignore[attr-defined, no-any-return]
