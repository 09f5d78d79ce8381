"""What a copy's process says to the coordinator: that it is there, until it has a part; then that it is alive."""

from __future__ import annotations

import asyncio
from typing import Protocol

from darq.errors import AutomataError, InvalidArgument
from ssms.peers import Unreachable
from ssms.server_surroundings import Surroundings

HELLO_SECONDS = 0.2
ALIVE_SECONDS = 0.5
UNKNOWN_SECONDS = 5.0
"""How long a copy that the catalog does not have stays before it ends: whoever restarts it does not spin."""


class Reporting(Protocol):
    """The copy that is reported."""

    @property
    def name(self) -> str:
        """Of the copy."""

    @property
    def placed(self) -> bool:
        """Whether it was told what to be."""

    async def head(self) -> tuple[int, int, bytes]:
        """What its disk holds."""


async def report(copy: Reporting, around: Surroundings) -> None:
    """Tell the coordinator of this process, again and again. One that has no part in this cluster leaves."""
    coordinator = around.peers.coordinator
    while True:
        try:
            if not copy.placed:
                epoch, group, _ = await copy.head()
                await coordinator.call("hello", copy.name, around.pid, epoch, group)
                await asyncio.sleep(HELLO_SECONDS)
            else:
                if not around.renewed:
                    await coordinator.call("alive", copy.name)
                await asyncio.sleep(ALIVE_SECONDS)
        except InvalidArgument as error:
            if copy.placed:
                await asyncio.sleep(HELLO_SECONDS)
                continue
            await asyncio.sleep(UNKNOWN_SECONDS)
            around.leave(error)
            return
        except (Unreachable, AutomataError):
            await asyncio.sleep(HELLO_SECONDS)
