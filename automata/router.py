"""The door of an application: where its calls enter, from clients and from outboxes alike.

`ssms` opens apps and registers their routers here; a call goes to its ref's app, or to the only open one.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any, Protocol, cast

from automata.calls import Call, Cancelled, Sent
from automata.errors import StateError
from automata.reference import ObjectRef
from automata.when import When


class Router(Protocol):
    """Takes calls from outside of any method to wherever their objects live."""

    @property
    def learns(self) -> bool:
        """Whether it can find out about types that this process does not know (`automata.late`)."""

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """Make the call and give its result, once that is durable. For `yield from` in any event loop."""

    def post(self, call: Call, when: When | None = None) -> Sent:
        """Send the message, now or later."""

    def cancel(self, message_id: str, request: str | None = None) -> Cancelled:
        """Cancel a message that is due later. A request id makes repeats one."""

    def keeps(self, message_id: str) -> bool:
        """Whether the message of this id is, or was, kept until it is due in this app."""


class Application(Protocol):
    """What a ref is bound to."""

    @property
    def router(self) -> Router:
        """Where calls through its refs go."""


class OpenRouters:
    """The routers of the apps that are open in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._routers: list[Router] = []
        self._only: Router | None = None

    def add(self, router: Router) -> None:
        """An app is open."""
        with self._lock:
            self._set([*self._routers, router])

    def remove(self, router: Router) -> None:
        """An app is closed."""
        with self._lock:
            self._set([r for r in self._routers if r is not router])

    def only(self) -> Router:
        """The router of the one open app; StateError if there is none or there are several."""
        if self._only is not None:
            return self._only
        if not self._routers:
            raise StateError("no app is open: use `async with ssms.open(path)`, or `with` from synchronous code")
        raise StateError(f"{len(self._routers)} apps are open: say which one with app.ref(...)")

    def that_keeps(self, message_id: str) -> Router:
        """The router of the app that keeps a message until it is due, where it is one of several."""
        keeping = [router for router in self._routers if router.keeps(message_id)]
        return keeping[0] if len(keeping) == 1 else self.only()

    def _set(self, routers: list[Router]) -> None:
        self._routers = routers
        self._only = routers[0] if len(routers) == 1 else None


OPEN = OpenRouters()
"""Of this process."""


def of(ref: ObjectRef) -> Router:
    """The router that a call through `ref` goes to."""
    app = ref.app
    return OPEN.only() if app is None else cast("Application", app).router
