"""What passes between a host and a guest, as MessagePack arrays (docs/SANDBOX.md has them all)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from automata.sandbox.guest.rows import AsksForRows
from automata.types import REGISTRY
from darq.overlay import Overlay

if TYPE_CHECKING:
    from automata.calls import Call

encode = msgspec.msgpack.Encoder().encode
decode: Any = msgspec.msgpack.Decoder().decode

DONE, RAISED, AWAITS = 0, 1, 2
OWN_RESULT, DYNAMIC_RESULT, ERROR = 0, 1, 2

Dispatch = list[object]
"""[type name, key, method, own, arguments, idempotency key, timeout]"""

Changes = list[object]
"""[deleted, ranges, writes, sends]"""

NOTHING: Changes = [False, [], [], []]


class Task(NamedTuple):
    """One run of one method. past: for each part that is over the outcomes of what it awaited: [sort, bytes]."""

    type_name: str
    key: str
    method: str
    arguments: bytes
    rows: list[list[bytes]]
    whole: bool
    past: list[list[tuple[int, bytes]]]


class Host(AsksForRows, Protocol):
    """The functions of world.wit that a guest imports."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def entropy(self, count: int) -> bytes:
        """Random bytes."""

    def schedule(self, dispatch: bytes, due_ms: int, rule: bytes) -> str:
        """Send a message that is due later. Returns its id."""

    def cancel(self, id: str, /) -> bool:  # noqa: A002 - as the interface calls it
        """Whether a message will never be delivered."""

    def log(self, level: int, text: str) -> None:
        """Log a line under the object's address."""

    def part(self, n: int) -> bytes:
        """The n-th part of a task that comes in parts; empty behind the last."""

    def give(self, part: bytes) -> None:
        """The next part of an answer, but for its last."""


def dispatch_of(call: Call) -> Dispatch:
    """A call or message as data. Raises what its arguments are refused with."""
    packed = call.pack()
    own = REGISTRY.find(call.ref.type_name) is not None
    arguments = call.method.encode_arguments(packed)
    return [call.ref.type_name, call.ref.key, call.method.name, own, arguments, call.request, call.timeout]


def changes_of(deleted: bool, overlay: Overlay | None, sends: Sequence[object]) -> Changes:
    """What a part has done."""
    if overlay is None:
        return [deleted, [], [], sends]
    return [deleted, overlay.ranges, list(overlay.writes.items()), sends]
