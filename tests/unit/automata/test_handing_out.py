"""Methods of types with `compute="worker"`: one step of their object, whoever runs their code."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from automata import (
    List,
    Map,
    Ref,
    call,
    delete,
    now,
    object_type,
    random,
    readonly,
    ref,
    send,
    sleep,
    transaction,
    uuid4,
)
from automata.app import App
from automata.automaton import automaton
from automata.errors import DeclarationError, InvalidArgument, ReadOnlyError, StateError, WorkerDied
from automata.handing_out import ROWS_AT_ONCE, ROWS_BYTES
from automata.inline_workers import InlineWorkers
from automata.options import Options
from automata.retry import Retry
from automata.testing import VirtualApp, crash_everywhere
from automata.worker import Done, Source, Task, Want
from automata.worker_turn import Surroundings
from darq.errors import StoreClosed
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_app, in_loop, memory_app, settled, until


@object_type(compute="worker")
class Smith:
    key: str
    forged: int = 0
    words: List[str]
    stock: Map[int, bytes]

    async def forge(self, n: int) -> int:
        self.forged += n
        return self.forged

    async def fill(self, entries: int, size: int) -> None:
        for n in range(entries):
            self.stock[n] = n.to_bytes(2, "big") * (size // 2)

    async def stocked(self) -> tuple[int, list[int], list[int], int]:
        keys = [key for key, _ in self.stock.range(3, 6)]
        last = [key for key, _ in self.stock.range(0, 10_000, reverse=True, limit=2)]
        return len(self.stock), keys, last, sum(map(len, self.stock.values()))

    async def replace(self) -> list[int]:
        self.stock.clear()
        self.stock[7] = b"new"
        return list(self.stock)

    async def tell(self, other: Ref[Smith], word: str, fail: bool = False) -> None:
        self.words.append(f"told {word}")
        send(other.hear(word))
        if fail:
            raise LookupError(word)

    async def hear(self, word: str) -> None:
        self.words.append(word)

    async def draw(self) -> tuple[float, uuid.UUID, float]:
        return now(), uuid4(), random()

    async def rest(self) -> int:
        await asyncio.sleep(0)
        self.forged += 1
        return self.forged

    async def ask(self, other: Ref[Smith]) -> int:
        return await other.forge(1)

    async def nap(self) -> None:
        await sleep(1.0)

    async def remind(self, other: Ref[Smith]) -> None:
        send(other.hear("later"), delay=1.0)

    async def leave(self) -> None:
        delete()

    @readonly
    async def look(self) -> tuple[int, list[str]]:
        return self.forged, list(self.words)

    @readonly
    async def meddle(self) -> None:
        self.words.append("no")

    @readonly(cache=True)
    async def counted(self) -> int:
        return self.forged


@object_type
class Owner:
    key: str
    seen: int = 0

    async def order(self, smith: Ref[Smith], n: int) -> int:
        self.seen = await smith.forge(n)
        return self.seen

    async def order_safely(self, smith: Ref[Smith]) -> int:
        return await transaction(_forge, smith)


async def _forge(smith: Smith) -> int:
    return await smith.forge(1)


@dataclass
class Watched:
    """Workers that note what they are given, may stand still, and die when told to."""

    tasks: list[Task] = field(default_factory=list)
    wants: list[Want] = field(default_factory=list)
    deaths: int = 0
    gate: asyncio.Event | None = None
    closed: bool = False

    def make(self, surroundings: Surroundings) -> Watched:
        self._inner = InlineWorkers(surroundings)
        return self

    async def run(self, task: Task, source: Source) -> Done:
        self.tasks.append(task)
        if self.gate is not None:
            await self.gate.wait()
        if self.deaths:
            self.deaths -= 1
            raise WorkerDied("as the test wants")
        return await self._inner.run(task, _WatchedSource(source, self.wants))

    async def close(self) -> None:
        self.closed = True


@dataclass
class _WatchedSource:
    source: Source
    wants: list[Want]

    def rows(self, want: Want) -> list[tuple[bytes, bytes]]:
        self.wants.append(want)
        return self.source.rows(want)


@pytest.fixture
def workers() -> Watched:
    return Watched()


def watched_app(workers: Watched, store: MemoryStore | None = None, limits: Limits | None = None) -> App:
    return memory_app(store, limits, Options(workers=workers.make))


@in_app
async def test_a_method_changes_its_object_and_gives_its_result(app: App) -> None:
    assert [await ref(Smith, "a").forge(n) for n in (1, 2, 3)] == [1, 3, 6]
    assert await ref(Smith, "a").look() == (6, [])


@in_loop
async def test_what_it_has_changed_is_durable_when_it_answers() -> None:
    store = MemoryStore()
    async with crashing(store):
        await ref(Smith, "a").forge(5)
    async with memory_app(store):
        assert await ref(Smith, "a").forge(1) == 6


@in_app
async def test_many_callers_run_one_after_the_other(app: App) -> None:
    answers = await asyncio.gather(*(ref(Smith, "a").forge(1) for _ in range(20)))
    assert sorted(answers) == list(range(1, 21))


@in_app
async def test_a_method_that_raises_leaves_nothing_and_raises_as_itself(app: App) -> None:
    with pytest.raises(LookupError, match="secret") as raised:
        await ref(Smith, "a").tell(ref(Smith, "b"), "secret", fail=True)
    assert "in tell" in str(raised.value.__cause__)
    assert await ref(Smith, "a").look() == (0, [])
    assert await ref(Smith, "b").look() == (0, [])
    assert not await app.exists(ref(Smith, "a"))


@in_app
async def test_what_it_sends_arrives_once_and_with_its_step(app: App) -> None:
    await ref(Smith, "a").tell(ref(Smith, "b"), "hello")
    assert (await ref(Smith, "a").look())[1] == ["told hello"]
    await settled(lambda: ref(Smith, "b").look(), (0, ["hello"]))


@in_app
async def test_messages_and_methods_of_other_types_reach_it(app: App) -> None:
    assert await ref(Owner, "o").order(ref(Smith, "a"), 4) == 4
    await send(ref(Smith, "a").forge(3))
    await settled(lambda: ref(Smith, "a").look(), (7, []))


@in_app
async def test_an_idempotency_key_gives_the_recorded_result(app: App) -> None:
    twice = [await call(ref(Smith, "a").forge(1), idempotency_key="k") for _ in range(2)]
    assert twice == [1, 1]


@in_app
async def test_it_has_the_clock_and_chance_that_the_engine_is_given(app: App) -> None:
    first, second = await ref(Smith, "a").draw(), await ref(Smith, "a").draw()
    assert second[0] >= first[0] > 0
    assert first[1] != second[1]
    assert 0 <= first[2] < 1


@in_app
async def test_it_may_await_what_is_no_automaton(app: App) -> None:
    assert await ref(Smith, "a").rest() == 1


@in_app
async def test_it_is_one_step_and_awaits_no_other_automaton(app: App) -> None:
    with pytest.raises(StateError, match="one step"):
        await ref(Smith, "a").ask(ref(Smith, "b"))
    with pytest.raises(StateError, match="one step"):
        await ref(Smith, "a").nap()


@in_app
async def test_it_sends_nothing_for_later(app: App) -> None:
    with pytest.raises(StateError, match="timers are its host's"):
        await ref(Smith, "a").remind(ref(Smith, "b"))


@in_app
async def test_it_takes_no_part_in_transactions(app: App) -> None:
    with pytest.raises(StateError, match="takes no part in transactions"):
        await ref(Owner, "o").order_safely(ref(Smith, "a"))


@in_app
async def test_it_can_delete_its_object(app: App) -> None:
    await ref(Smith, "a").forge(1)
    assert await app.exists(ref(Smith, "a"))
    await ref(Smith, "a").leave()
    assert not await app.exists(ref(Smith, "a"))
    assert await ref(Smith, "a").forge(1) == 1


@in_app
async def test_a_readonly_method_must_not_change_anything(app: App) -> None:
    with pytest.raises(ReadOnlyError):
        await ref(Smith, "a").meddle()
    assert await ref(Smith, "a").look() == (0, [])


@in_loop
async def test_a_small_object_travels_with_its_task(workers: Watched) -> None:
    async with watched_app(workers):
        await ref(Smith, "a").fill(5, 100)
        assert await ref(Smith, "a").stocked() == (5, [3, 4], [4, 3], 500)
    assert workers.wants == []
    assert [task.whole for task in workers.tasks] == [True, True]


@in_loop
async def test_of_a_large_object_a_worker_asks_for_ranges(workers: Watched) -> None:
    entries = 4 * ROWS_AT_ONCE
    size = 2 * ROWS_BYTES // entries
    async with watched_app(workers):
        await ref(Smith, "a").fill(entries, size)
        assert await ref(Smith, "a").stocked() == (entries, [3, 4, 5], [entries - 1, entries - 2], entries * size)
        assert not workers.tasks[-1].whole
        assert 0 < len(workers.wants) < 20
        assert await ref(Smith, "a").replace() == [7]
        assert (await ref(Smith, "a").stocked())[0] == 1


@in_loop
async def test_a_readonly_method_sees_the_state_of_its_beginning(workers: Watched) -> None:
    async with watched_app(workers):
        await ref(Smith, "a").forge(1)
        workers.gate = asyncio.Event()
        looking = asyncio.ensure_future(ref(Smith, "a").look())
        forging = asyncio.ensure_future(ref(Smith, "a").forge(1))
        await asyncio.sleep(0)
        workers.gate.set()
        assert await forging == 2
        assert (await looking)[0] == 1


@in_loop
async def test_a_cached_result_is_its_hosts(workers: Watched) -> None:
    async with watched_app(workers):
        await ref(Smith, "a").forge(2)
        given = len(workers.tasks)
        assert [await ref(Smith, "a").counted() for _ in range(2)] == [2, 2]
        assert len(workers.tasks) == given


@in_loop
async def test_the_object_is_held_while_a_worker_works_and_others_are_not(workers: Watched) -> None:
    workers.gate = asyncio.Event()
    async with watched_app(workers):
        first = asyncio.ensure_future(ref(Smith, "a").forge(1))
        second = asyncio.ensure_future(ref(Smith, "a").forge(1))
        await until(_given(workers, 1))
        other = asyncio.ensure_future(ref(Smith, "b").forge(1))
        await until(_given(workers, 2))
        assert [task.key for task in workers.tasks] == ["a", "b"]
        workers.gate.set()
        assert [await first, await second, await other] == [1, 2, 1]


@in_loop
async def test_a_caller_whose_worker_dies_is_told_and_may_ask_again(workers: Watched) -> None:
    async with watched_app(workers):
        workers.deaths = 1
        with pytest.raises(WorkerDied):
            await call(ref(Smith, "a").forge(1), idempotency_key="k")
        assert await call(ref(Smith, "a").forge(1), idempotency_key="k") == 1


@in_loop
async def test_a_message_whose_worker_dies_is_tried_again(workers: Watched) -> None:
    async with watched_app(workers) as app:
        workers.deaths = 1
        await send(ref(Smith, "a").forge(1))
        await settled(lambda: ref(Smith, "a").look(), (1, []))
        assert [letter async for letter in app.dead_letters()] == []


@object_type(compute="worker", retry=Retry(tries=2, first_seconds=0.001))
class Doomed:
    async def work(self) -> None: ...


@in_loop
async def test_a_message_that_ends_its_worker_each_time_becomes_a_dead_letter(workers: Watched) -> None:
    async with watched_app(workers) as app:
        workers.deaths = 2
        await send(ref(Doomed, "a").work())

        async def given_up() -> bool:
            return bool([letter async for letter in app.dead_letters()])

        await until(given_up)
        [letter] = [letter async for letter in app.dead_letters()]
        assert "WorkerDied" in letter.error
        assert len(workers.tasks) == 2


@in_loop
async def test_closing_cuts_off_what_a_worker_does_and_a_message_is_run_in_the_next_life(workers: Watched) -> None:
    store = MemoryStore()
    workers.gate = asyncio.Event()
    options = Options(workers=workers.make, closing_seconds_max=0.01)
    async with memory_app(store, options=options):
        asking = asyncio.ensure_future(ref(Smith, "b").forge(1))
        await send(ref(Smith, "a").forge(1))
        await until(_given(workers, 2))
    with pytest.raises(StoreClosed):
        await asking
    assert workers.closed
    async with memory_app(store):
        await settled(lambda: ref(Smith, "a").look(), (1, []))
        assert (await ref(Smith, "b").look())[0] == 0


@in_loop
async def test_a_step_of_a_worker_has_the_limits_of_any_other() -> None:
    limits = Limits(step_bytes_max=4096, value_bytes_max=2048, message_bytes_max=512)
    async with memory_app(limits=limits) as app:
        with pytest.raises(InvalidArgument, match="one step writes"):
            await ref(Smith, "a").fill(100, 100)
        with pytest.raises(InvalidArgument, match="a value takes"):
            await ref(Smith, "a").fill(1, 3000)
        assert not await app.exists(ref(Smith, "a"))


async def _orders(app: VirtualApp) -> None:
    assert await ref(Owner, "o").order(ref(Smith, "a"), 2) == 2
    await send(ref(Smith, "a").tell(ref(Smith, "b"), "hello"))
    assert await ref(Smith, "a").forge(1) == 3
    await asyncio.sleep(1)
    assert await ref(Smith, "b").look() == (0, ["hello"])
    assert await ref(Smith, "a").look() == (3, ["told hello"])


def test_wherever_the_process_dies_a_workers_step_happens_once() -> None:
    assert crash_everywhere(_orders).boundaries > 3


def test_an_automaton_has_its_state_with_its_host() -> None:
    with pytest.raises(DeclarationError, match="in the memory of its host"):

        @automaton(compute="worker")
        class Monitor:
            pass


def _given(workers: Watched, count: int) -> Callable[[], Awaitable[bool]]:
    async def enough() -> bool:
        return len(workers.tasks) >= count

    return enough
