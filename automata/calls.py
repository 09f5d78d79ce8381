"""A call as data: which method of which object, with what, and how the caller wants it made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol

from automata.errors import CallTimeout, StateError

if TYPE_CHECKING:
    from automata.methods import Method, Packed
    from automata.reference import ObjectRef


class Call:
    """One call that was written down, to be made at most once.

    request: the idempotency key; timeout: seconds after which the caller gets CallTimeout, while the method goes on.
    """

    # What most calls never set stands on the class: making one is on the way of every call.
    used = False
    request: str | None = None
    timeout: float | None = None

    def __init__(self, ref: ObjectRef, method: Method, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        self.ref = ref
        self.method = method
        self.args = args
        self.kwargs = kwargs

    def pack(self) -> Packed:
        """Mark as used, and give the checked arguments by value. Raises StateError the second time."""
        if self.used:
            raise StateError(f"{self!r} was awaited or sent before: write the call again")
        self.used = True
        return self.method.pack(self.args, self.kwargs)

    def timed_out(self) -> CallTimeout:
        """The error of a caller that has waited long enough."""
        return CallTimeout(
            f"{self!r} gave no answer in {self.timeout} s and goes on: its idempotency key, if it has one, asks for "
            "the result"
        )

    def __repr__(self) -> str:
        return f"<call {self.ref.type_name}/{self.ref.key} {self.method.name}>"


class Point(Protocol):
    """What a method awaits at a commit point: see `automata.commit_points`."""

    @property
    def kind(self) -> str:
        """The word for it."""


class Sent:
    """A message that was sent. Awaiting it in a client waits until it is durable, and gives its id.

    cancelling: cancels it before its id is known, where a cluster has yet to give it one.
    """

    __slots__ = ("cancelling", "durable", "id")

    def __init__(self, message_id: str, durable: Awaitable[None] | None) -> None:
        self.id = message_id
        self.durable = durable
        self.cancelling: Callable[[], Cancelled] | None = None

    def __await__(self) -> Generator[object, object, str]:
        if self.durable is not None:
            yield from self.durable.__await__()
        return self.id

    def __repr__(self) -> str:
        return f"<sent {self.id or 'with this step'}>"


class Cancelled:
    """What became of cancelling a message. Awaiting it gives the answer; in a client, once that is durable.

    asking: of a method, asks the stores that may keep the message.
    """

    __slots__ = ("asking", "durable", "never_delivered")

    def __init__(
        self,
        never_delivered: bool,
        durable: Awaitable[None] | None,
        asking: Generator[Any, Any, Any] | None = None,
    ) -> None:
        self.never_delivered = never_delivered
        self.durable = durable
        self.asking = asking

    def __await__(self) -> Generator[object, object, bool]:
        if self.asking is not None:
            asking, self.asking = self.asking, None
            self.never_delivered = yield from asking
        if self.durable is not None:
            yield from self.durable.__await__()
        return self.never_delivered

    def __repr__(self) -> str:
        return "<cancelled>" if self.never_delivered else "<too late to cancel>"


class Awaited:
    """Awaits what a generator yields: how a call that is made step by step is awaited in a coroutine."""

    def __init__(self, steps: Generator[Any, Any, Any]) -> None:
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._steps
