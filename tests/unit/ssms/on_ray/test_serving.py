import asyncio
from typing import Any

import pytest

from automata.errors import RemoteError, StorageFull
from ssms.on_ray import serving
from ssms.on_ray.raised import Raised
from ssms.on_ray.serving import Serving
from ssms.peers import NotStanding


class Server:
    """Adds numbers, once its gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.stopped = False

    async def start(self) -> None:
        await self.gate.wait()

    async def serve(self, what: str, args: tuple[Any, ...]) -> Any:
        if what == "add":
            return sum(args)
        raise StorageFull("no room")

    async def stop(self) -> None:
        self.stopped = True


class Broken(Server):
    async def start(self) -> None:
        raise StorageFull("no room")


class Unpicklable(Exception):
    def __init__(self, *, needed: str) -> None:
        super().__init__(needed)


def test_calls_wait_until_the_server_stands() -> None:
    async def scenario() -> None:
        server = Server()
        serving_it = Serving(lambda: server)
        asking = asyncio.create_task(serving_it.serve("add", (1, 2)))
        await asyncio.sleep(0)
        assert not asking.done()
        server.gate.set()
        assert await asking == 3
        await serving_it.stop()
        assert server.stopped

    asyncio.run(scenario())


def test_an_error_is_an_answer_and_is_raised_by_the_caller_as_itself() -> None:
    async def scenario() -> Any:
        server = Server()
        server.gate.set()
        return await Serving(lambda: server).serve("fill", ())

    answer = asyncio.run(scenario())
    assert isinstance(answer, Raised)
    with pytest.raises(StorageFull, match="no room") as caught:
        answer.throw()
    assert 'raise StorageFull("no room")' in str(caught.value.__cause__)


def test_an_error_that_cannot_travel_becomes_a_remote_error() -> None:
    with pytest.raises(RemoteError, match="Unpicklable: a key"):
        Raised.of(Unpicklable(needed="a key")).throw()


def test_a_process_whose_server_does_not_start_says_why_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "RESTART_SECONDS", 0.0)

    async def scenario() -> list[int]:
        left: list[int] = []
        ended = asyncio.Event()

        def leave(code: int) -> None:
            left.append(code)
            ended.set()

        answer = await Serving(Broken, leave).serve("add", (1,))
        assert isinstance(answer, Raised)
        with pytest.raises(NotStanding, match="its process cannot start: no room"):
            answer.throw()
        await ended.wait()
        return left

    assert asyncio.run(scenario()) == [1]
