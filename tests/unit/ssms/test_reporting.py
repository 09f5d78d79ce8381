"""What a copy's process says to the coordinator."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from automata.testing.loop import run_virtually
from darq.errors import InvalidArgument
from darq.memory import MemoryStore
from ssms.peers import Peer
from ssms.reporting import UNKNOWN_SECONDS, report
from ssms.server_surroundings import Surroundings


@dataclass
class Strange:
    """A coordinator that knows no copy."""

    calls: list[str] = field(default_factory=list)

    async def call(self, what: str, *args: Any) -> Any:
        self.calls.append(what)
        raise InvalidArgument("there is no such copy")

    @property
    def coordinator(self) -> Peer:
        return self

    def copy(self, name: str) -> Peer:
        return self


@dataclass
class Copy:
    name: str = "s9.n9"
    placed: bool = False

    async def head(self) -> tuple[int, int, bytes]:
        return 0, 0, b""


def test_a_copy_that_the_catalog_does_not_have_ends_after_a_while() -> None:
    async def scenario() -> None:
        left: list[BaseException] = []
        strange, loop = Strange(), asyncio.get_running_loop()
        around = Surroundings(strange, MemoryStore, loop.time, left.append)
        begun = loop.time()
        await report(Copy(), around)
        assert [type(why) for why in left] == [InvalidArgument]
        assert strange.calls == ["hello"]
        assert loop.time() - begun >= UNKNOWN_SECONDS

    run_virtually(scenario())
