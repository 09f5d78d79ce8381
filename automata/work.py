"""Values that pass between the parts of the engine: what is to be run, and what came of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import msgspec

from automata.failure import portable

if TYPE_CHECKING:
    from automata.entity import Entity
    from automata.envelope import Envelope
    from automata.methods import Kind, Method, Packed


class Outcome:
    """What a method gave: a value, or an error. group: what it depends on being durable.

    refused: it is none (see `Refusal`). recorded: as bytes, once its step has recorded it under a request.
    """

    __slots__ = ("error", "group", "recorded", "value")
    refused = False

    def __init__(self, value: object, error: BaseException | None, group: int) -> None:
        self.value = value
        self.error = error
        self.group = group
        self.recorded: bytes | None = None

    def take(self) -> object:
        """The value, or raise the error as its caller sees it."""
        if self.error is not None:
            raise portable(self.error)
        return self.value


class Refusal(Outcome):
    """In place of an outcome: no part of the work has run, or the closing app has cut it off. It may be asked again.

    What a method raises is an outcome, whatever its class: parts of it, or of what it has called, may have committed.
    """

    __slots__ = ()
    refused = True

    def __init__(self, error: BaseException) -> None:
        super().__init__(None, error, 0)


def ordinary(error: BaseException, what: str) -> Exception:
    """What a method raised, as an outcome: `sys.exit()` and the like end the method, never the process."""
    if isinstance(error, Exception):
        return error
    return RuntimeError(f"{what} raised {type(error).__name__}: {error}")


Reply = Outcome | asyncio.Future[Outcome]
"""An outcome, now or later."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """The idempotency key of a call, and what was asked under it. fingerprint: 16 bytes."""

    key: bytes
    fingerprint: bytes


class Caller(Protocol):
    """The journal of a method that awaits this one."""

    @property
    def address(self) -> tuple[int, int, int]:
        """Number, part and index: where the answer goes."""

    def answer(self, outcome: Outcome, kind: Kind) -> None:
        """Keep the outcome with the step that gave it."""


class Work(msgspec.Struct, eq=False):
    """One invocation to run on one object. message: what its first step consumes; one_way: it came as one.

    caller: the journal of the method that awaits it, if it has commit points. orphan: it is resumed, and nobody waits.
    """

    entity: Entity
    method: Method
    packed: Packed
    message: Envelope | None = None
    request: Request | None = None
    one_way: bool = False
    caller: Caller | None = None
    orphan: bool = False

    def serves(self, number: int) -> bool:
        """Whether the method of this number waits for it, and keeps its outcome."""
        return self.caller is not None and self.caller.address[0] == number
