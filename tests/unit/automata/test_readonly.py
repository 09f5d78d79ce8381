"""`@readonly`: one snapshot of committed state, beside whatever else runs, and nothing changed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from automata import List, Map, Ref, delete, gather, now, object_type, readonly, ref, send
from automata.app import App
from automata.errors import InvalidArgument, ReadOnlyError, StateError
from tests.memory_app import in_app, listed

GATES: dict[str, asyncio.Event] = {}
BEGUN: list[Any] = []


async def begun() -> None:
    """Wait until a method says that it runs."""
    while not BEGUN:  # noqa: ASYNC110 - an event would make the method await something foreign
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    GATES.clear()
    BEGUN.clear()


@object_type
class Ledger:
    key: str
    n: int = 0
    tags: list[str] = []
    items: List[int]
    table: Map[str, int]

    async def run(self, lines: str, other: Ref[Ledger] | None = None) -> Any:
        scope = globals() | {"self": self, "other": other}
        exec("async def body():\n    " + lines.strip().replace("\n", "\n    "), scope)
        return await scope["body"]()

    async def fill(self, n: int) -> None:
        self.n = n
        self.tags = [str(n)]
        self.items.clear()
        self.items.extend(range(n))
        self.table.clear()
        self.table.update({str(k): k for k in range(n)})

    async def empty(self) -> None:
        delete()

    @readonly
    async def look(self, lines: str, other: Ref[Ledger] | None = None) -> Any:
        scope = globals() | {"self": self, "other": other}
        exec("async def body():\n    " + lines.strip().replace("\n", "\n    "), scope)
        return await scope["body"]()

    @readonly
    async def n_now(self) -> int:
        return self.n

    @readonly
    async def cheat(self) -> None:
        self.n = 1

    @readonly
    async def cheat_by_helper(self) -> None:
        await self.fill(3)

    @readonly
    async def send_something(self) -> None:
        send(ref(self).fill(3))

    @readonly
    async def delete_something(self) -> None:
        delete()

    @readonly
    async def call_writer(self, other: Ref[Ledger]) -> None:
        await other.fill(3)

    @readonly
    async def gather_writers(self, other: Ref[Ledger]) -> None:
        await gather(other.n_now(), other.fill(3))

    @readonly
    async def sum_of(self, others: list[Ref[Ledger]]) -> int:
        return self.n + sum(await gather(*(other.n_now() for other in others)))

    @readonly
    async def view_across(self, other: Ref[Ledger]) -> list[Any]:
        before = self._view()
        BEGUN.append(self.key)
        await other.wait_in_reader(9)
        return [before, self._view()]

    @readonly
    async def lazy_view_across(self, other: Ref[Ledger]) -> Any:
        BEGUN.append(self.key)
        await other.wait_in_reader(9)
        return self._view()

    @readonly
    async def iterate_across(self, other: Ref[Ledger]) -> list[int]:
        seen = []
        for item in self.items:
            seen.append(item)
            BEGUN.append(self.key)
            await other.wait_in_reader(3)
        return seen

    @readonly
    async def wait_in_reader(self, turns: int) -> None:
        """Takes some turns of the event loop."""
        if turns:
            await ref(self).wait_in_reader(turns - 1)

    def _view(self) -> tuple[Any, ...]:
        return self.n, list(self.tags), list(self.items), dict(self.table), len(self.items), len(self.table)


A, B = ref(Ledger, "a"), ref(Ledger, "b")


@pytest.mark.parametrize("name", ["cheat", "cheat_by_helper", "send_something", "delete_something"])
@in_app
async def test_it_may_neither_write_nor_send_nor_delete(app: App, name: str) -> None:
    with pytest.raises(ReadOnlyError):
        await getattr(A, name)()
    assert await listed(app.objects(Ledger)) == []


@pytest.mark.parametrize("name", ["call_writer", "gather_writers"])
@in_app
async def test_it_may_call_readonly_methods_alone(app: App, name: str) -> None:
    with pytest.raises(ReadOnlyError, match="fill"):
        await getattr(A, name)(B)
    assert await B.n_now() == 0
    await A.fill(1)
    await B.fill(2)
    assert await A.sum_of([B, B, A]) == 6


@pytest.mark.parametrize(
    "line",
    [
        "await asyncio.sleep(0)",
        "await asyncio.to_thread(int)",
        "async with asyncio.timeout(5): await asyncio.sleep(0.001)",
        "await asyncio.create_task(asyncio.sleep(0))",
    ],
)
@in_app
async def test_it_may_await_nothing_foreign(app: App, line: str) -> None:
    await A.fill(2)
    with pytest.raises(ReadOnlyError, match="await"):
        await A.look(f"{line}\nreturn self.n")
    assert await A.n_now() == 2


@in_app
async def test_it_may_use_the_clock(app: App) -> None:
    assert await A.look("return now()") > 0


@in_app
async def test_it_sees_committed_state_while_a_method_is_in_the_middle(app: App) -> None:
    await A.fill(2)
    GATES["g"] = asyncio.Event()
    lines = "self.n = 9; self.tags.append('x'); self.items.append(5); self.table['q'] = 1\nawait GATES['g'].wait()"
    running = asyncio.create_task(A.run("BEGUN.append(1); " + lines))  # type: ignore[arg-type]
    await begun()
    view = "return self._view()"
    committed = (2, ["2"], [0, 1], {"0": 0, "1": 1}, 2, 2)
    assert await A.look(view) == committed
    assert await A.n_now() == 2
    assert (await app.inspect(A))["n"] == 2
    GATES["g"].set()
    await running
    assert await A.look(view) == (9, ["2", "x"], [0, 1, 5], {"0": 0, "1": 1, "q": 1}, 3, 3)


@in_app
async def test_it_sees_the_parts_that_a_waiting_method_has_committed(app: App) -> None:
    GATES["g"] = asyncio.Event()
    lines = "self.n = 1\nawait other.run('BEGUN.append(1); await GATES[\"g\"].wait()')\nself.n = 2"
    running = asyncio.create_task(A.run(lines, B))  # type: ignore[arg-type]
    await begun()
    assert await A.n_now() == 1
    GATES["g"].set()
    await running
    assert await A.n_now() == 2


CHANGES = {
    "fill": lambda: A.fill(7),
    "clear": lambda: A.run("self.items.clear(); self.table.clear(); self.tags = []; self.n = 0"),
    "delete": A.empty,
    "delete from outside": None,
    "append": lambda: A.run("self.items.append(1); self.table['new'] = 1; self.table['0'] = 9; self.n += 1"),
    "pop": lambda: A.run("self.items.popleft(); self.items.pop(); del self.table['0']; self.tags.clear()"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("view", ["view_across", "lazy_view_across"])
@in_app
async def test_one_with_awaits_sees_one_snapshot_whatever_happens_meanwhile(app: App, view: str, change: str) -> None:
    await A.fill(3)
    snapshot = (3, ["3"], [0, 1, 2], {"0": 0, "1": 1, "2": 2}, 3, 3)
    entered = asyncio.create_task(getattr(A, view)(B))
    await begun()
    assert not entered.done()
    make = CHANGES[change]
    await (make() if make is not None else app.delete(A))
    result = await entered
    assert result in ([snapshot, snapshot], snapshot)
    assert await A.look("return self._view()") != snapshot


@in_app
async def test_iterating_across_awaits_stays_in_the_snapshot(app: App) -> None:
    await A.fill(50)
    reading = asyncio.create_task(A.iterate_across(B))  # type: ignore[arg-type]
    await begun()
    await A.run("self.items.clear(); self.items.append(-1)")
    assert await reading == list(range(50))
    assert await A.look("return list(self.items)") == [-1]


@in_app
async def test_what_it_returns_may_be_changed_by_the_caller_alone(app: App) -> None:
    await A.fill(1)
    tags = await A.look("return self.tags")
    tags.append("outside")
    assert await A.look("return self.tags") == ["1"]


@in_app
async def test_a_change_in_place_by_a_method_with_awaits_is_refused_too(app: App) -> None:
    await A.fill(1)
    with pytest.raises(ReadOnlyError, match="tags"):
        await A.look("self.tags.append('x')\nawait other.n_now()", B)
    with pytest.raises((ReadOnlyError, StateError), match="tags"):
        await A.look("tags = self.tags\nawait other.n_now()\ntags.append('x')", B)
    assert await A.look("return self.tags") == ["1"]


@in_app
async def test_many_read_while_one_writes(app: App) -> None:
    async def read() -> tuple[Any, ...]:
        n, _, items, table, size, table_size = await A.look("return self._view()")
        assert (len(items), len(table), size, table_size) == (n, n, n, n)
        return n

    results = await asyncio.gather(*(read() if k % 2 else A.fill(k % 7) for k in range(200)))
    assert len(results) == 200


def test_cache_is_an_option_of_readonly() -> None:
    @object_type
    class Cached:
        @readonly(cache=True)
        async def look(self) -> int:
            return 1

    assert Cached.__automaton__.methods["look"].cached  # type: ignore[attr-defined]


@in_app
async def test_a_result_that_does_not_fit_is_refused(app: App) -> None:
    @object_type
    class Wrong:
        @readonly
        async def look(self) -> int:
            return "x"  # type: ignore[return-value]

    with pytest.raises(InvalidArgument, match="result"):
        await ref(Wrong, "w").look()


__all__ = ["now"]  # used by the lines that methods run
