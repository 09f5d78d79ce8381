"""Group commit on a loop: run, then one write and one flush for all of it."""

import asyncio
import threading

import pytest

from darq import Committer, Limits, Log, MemoryStore
from darq.errors import Fenced, OutcomeUnknown
from tests.unit.darq.network import until


class SlowStore(MemoryStore):
    """A store whose flushes wait to be let through."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.begun = threading.Event()

    def hold(self) -> None:
        self.go.clear()
        self.begun.clear()

    def flush(self) -> None:
        self.begun.set()
        assert self.go.wait(10)
        super().flush()


def put(log: Log, value: bytes = b"v") -> int:
    step = log.step(b"p")
    step.put(b"x", value)
    return log.commit(step)


def idle(seconds: float) -> bool:
    return False


@pytest.mark.parametrize("flush_seconds_max", [1.0, -1.0], ids=["inline", "threaded"])
def test_steps_of_one_turn_share_one_flush(flush_seconds_max: float) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        log = Log(store, Limits(inline_flush_seconds_max=flush_seconds_max))
        committer = Committer(log, asyncio.get_running_loop(), idle)
        before, seen = store.flushes, list[BaseException | None]()
        for _ in range(10):
            log.gate.release(put(log), seen.append)
            committer.touch()
        assert seen == []
        await committer.settle()
        assert seen == [None] * 10
        assert store.flushes == before + 1
        committer.stop()
        log.close()

    asyncio.run(scenario())


def test_work_is_run_before_its_group_closes_and_as_long_as_some_is_left() -> None:
    async def scenario() -> None:
        log = Log(MemoryStore())
        left = [3]

        def run(seconds: float) -> bool:
            assert seconds == log.limits.group_work_seconds_max
            left[0] -= 1
            put(log)
            return left[0] > 0

        committer = Committer(log, asyncio.get_running_loop(), run)
        committer.touch()
        await until(lambda: left[0] == 0 and log.gate.durable == 3)
        log.close()

    asyncio.run(scenario())


def test_the_next_group_runs_while_one_is_flushed_and_closes_when_that_ends() -> None:
    async def scenario() -> None:
        store = SlowStore()
        store.go.set()
        log = Log(store, Limits(inline_flush_seconds_max=-1))
        committer = Committer(log, asyncio.get_running_loop(), idle)
        store.hold()
        first = put(log)
        committer.touch()
        await until(store.begun.is_set)
        second = put(log)
        committer.touch()
        assert second == first + 1
        assert log.gate.durable < first
        store.go.set()
        await until(lambda: log.gate.durable == second)
        committer.stop()
        log.close()

    asyncio.run(scenario())


def test_no_work_is_run_into_a_full_group_while_one_is_flushed() -> None:
    async def scenario() -> None:
        store = SlowStore()
        store.go.set()
        log = Log(store, Limits(inline_flush_seconds_max=-1, group_steps_max=5))
        ran = [0]

        def run(seconds: float) -> bool:
            if ran[0] < 20:
                ran[0] += 1
                put(log)
            return ran[0] < 20

        committer = Committer(log, asyncio.get_running_loop(), run)
        store.hold()
        committer.touch()
        await until(store.begun.is_set)
        for _ in range(50):
            await asyncio.sleep(0)
        assert log.group.steps == 5
        committer.close_full_group()
        assert log.group.steps == 5
        store.go.set()
        await until(lambda: ran[0] == 20)
        await committer.settle()
        assert log.gate.durable == log.group.number - 1
        committer.stop()
        log.close()

    asyncio.run(scenario())


def test_settling_waits_for_what_was_staged_and_not_for_what_comes_later() -> None:
    async def scenario() -> None:
        log = Log(MemoryStore(), Limits(inline_flush_seconds_max=-1))
        committer = Committer(log, asyncio.get_running_loop(), idle)
        busy = [True]

        def always() -> None:
            put(log)
            committer.touch()
            if busy[0]:
                asyncio.get_running_loop().call_soon(always)

        always()
        await committer.settle()
        busy[0] = False
        await committer.settle()
        committer.stop()
        log.close()

    asyncio.run(scenario())


def test_closing_while_a_flush_is_in_flight_releases_both_groups_once() -> None:
    async def scenario() -> None:
        store = SlowStore()
        store.go.set()
        log = Log(store, Limits(inline_flush_seconds_max=-1))
        committer = Committer(log, asyncio.get_running_loop(), idle)
        seen: list[BaseException | None] = []
        store.hold()
        log.gate.release(put(log), seen.append)
        committer.touch()
        await until(store.begun.is_set)
        log.gate.release(put(log), seen.append)
        store.go.set()
        log.close()
        assert seen == [None, None]
        committer.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert Log(store.reopen()).group.number == 3

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", ["write", "flush"])
@pytest.mark.parametrize("flush_seconds_max", [1.0, -1.0], ids=["inline", "threaded"])
def test_a_failure_reaches_all_that_wait_and_ends_the_waiting(fault: str, flush_seconds_max: float) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        log = Log(store, Limits(inline_flush_seconds_max=flush_seconds_max))
        committer = Committer(log, asyncio.get_running_loop(), idle)
        seen: list[BaseException | None] = []
        log.gate.release(put(log), seen.append)
        setattr(store, f"fail_next_{fault}", OSError("broken"))
        committer.touch()
        await committer.settle()
        assert isinstance(seen[0], OutcomeUnknown)
        committer.touch()
        await asyncio.sleep(0)
        committer.stop()

    asyncio.run(scenario())


def test_a_fenced_holder_tells_its_callers_that_it_was_fenced() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        log = Log(store)
        committer = Committer(log, asyncio.get_running_loop(), idle)
        Log(store)
        seen: list[BaseException | None] = []
        log.gate.release(put(log), seen.append)
        committer.close_full_group()
        assert isinstance(seen[0], Fenced)

    asyncio.run(scenario())


def test_an_action_that_raises_is_reported_and_fails_no_store() -> None:
    async def scenario() -> None:
        reported: list[dict[str, object]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context))
        log = Log(MemoryStore())
        committer = Committer(log, loop, idle)

        def breaks(error: BaseException | None) -> None:
            raise ValueError("a caller's fault")

        log.gate.release(put(log), breaks)
        committer.touch()
        await committer.settle()
        assert isinstance(reported[0]["exception"], ValueError)
        put(log)
        log.close()

    asyncio.run(scenario())
