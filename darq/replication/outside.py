"""What a primary is given by whoever runs it: time, the way to the other copies, and the catalog."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


class Members(Protocol):
    """The copies that the catalog knows to be in sync: who of them may be promoted.

    Each change is one compare-and-set under the primary's epoch. OSError means that it is unknown whether it was made:
    it is asked for again. An answered call must not take effect later.
    """

    async def add(self, copy: str) -> None:
        """`copy` holds all that was released, and will hold all that is. Raises Fenced for an old epoch, and another
        AutomataError if the copy is not one of the store any more."""

    async def drop(self, copy: str) -> None:
        """`copy` does not count any more. Raises Fenced for an old epoch. No error if it did not."""


@dataclass(frozen=True)
class Outside:
    """What a primary needs.

    clock: seconds that never step back, such as `time.monotonic`. ship: hands a message to the `Backup.receive` of a
    copy, by its name, and gives its reply; raises OSError when no answer is to be had.
    """

    clock: Callable[[], float]
    ship: Callable[[str, bytes], Awaitable[bytes]]
    members: Members


_PAUSE_SECONDS_MIN = 0.001  # a loop may take what is due in nanoseconds for due


async def reached(clock: Callable[[], float], when: float) -> None:
    """Wait until `clock` shows `when`."""
    while (left := when - clock()) > 0:  # noqa: ASYNC110 - time passes without anybody setting an event
        await asyncio.sleep(max(left, _PAUSE_SECONDS_MIN))
