"""Methods with commit points: what is committed where, what is detached, and what must not be awaited."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from automata import List, Map, Ref, call, delete, gather, now, object_type, readonly, ref, send
from automata.app import App
from automata.errors import AutomataError, CallTimeout, InvalidArgument, StateError, UnjournaledAwait
from tests.memory_app import in_app, listed, settled

GATES: dict[str, asyncio.Event] = {}
SEEN: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    GATES.clear()
    SEEN.clear()


@object_type
class Actor:
    key: str
    n: int = 0
    tags: list[str] = []
    log: List[str]
    table: Map[int, list[int]]

    async def add(self, amount: int = 1) -> int:
        self.n += amount
        return self.n

    async def fail(self) -> None:
        self.n += 100
        raise LookupError("no")

    async def wait(self, gate: str) -> int:
        await GATES[gate].wait()
        return self.n

    @readonly
    async def get(self) -> int:
        return self.n

    @readonly
    async def tags_now(self) -> list[str]:
        return self.tags

    async def run(self, lines: str, other: Ref[Actor] | None = None) -> Any:
        """Runs the lines as the body of a method."""
        body = "async def body():\n    " + lines.strip().replace("\n", "\n    ")
        scope = globals() | {"self": self, "other": other}
        exec(body, scope)
        return await scope["body"]()

    async def direct(self, lines: str) -> None:
        exec(lines, globals() | {"self": self})

    async def helper(self) -> int:
        return await self.add(5)


A, B = ref(Actor, "a"), ref(Actor, "b")


@in_app
async def test_a_plain_local_call_is_the_same_step(app: App) -> None:
    assert await A.helper() == 5
    with pytest.raises(LookupError):
        await A.run("self.n += 1\nawait self.add()\nawait self.fail()")
    assert await A.get() == 5


@in_app
async def test_what_came_before_a_commit_point_stays_when_the_method_fails_later(app: App) -> None:
    with pytest.raises(ZeroDivisionError):
        await A.run("self.n = 1; send(other.add())\nawait other.get()\nself.n = 2; send(other.add(100))\n1 / 0", B)
    assert await A.get() == 1
    await settled(B.get, 1)


@in_app
async def test_an_error_of_the_called_can_be_caught_and_the_method_goes_on(app: App) -> None:
    lines = "try:\n    await other.fail()\nexcept LookupError as e:\n    self.n = 7\n    return str(e)"
    assert await A.run(lines, B) == "no"
    assert (await A.get(), await B.get()) == (7, 0)


REFUSED = [
    "call(other.add(3), idempotency_key='k')",
    "other.add('x')",
    "ref('Nobody', 'x').add()",
    "call(other.wait('never'), timeout=0.01)",
]


@pytest.mark.parametrize("invocation", REFUSED)
@in_app
async def test_a_refused_call_can_be_caught_and_the_method_goes_on(app: App, invocation: str) -> None:
    GATES["never"] = asyncio.Event()
    await call(B.add(1), idempotency_key="k")
    lines = (
        f"self.n = 1\ntry:\n    await {invocation}\nexcept errors.AutomataError as e:\n    self.n += 1\nreturn self.n"
    )
    assert await A.run("from automata import errors\n" + lines, B) == 2
    assert await A.get() == 2
    GATES["never"].set()


@in_app
async def test_a_refused_call_among_several_waits_for_the_others(app: App) -> None:
    lines = (
        "self.n = 1\n"
        "slow = other.run('await GATES[\"g\"].wait()\\nself.n = 9')\n"
        "try:\n    await gather(slow, call(other.add(3), idempotency_key='k'))\n"
        "except InvalidArgument:\n    self.n += 1\n"
        "return self.n"
    )
    GATES["g"] = asyncio.Event()
    await call(B.add(1), idempotency_key="k")
    running = asyncio.create_task(A.run(lines, B))  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    GATES["g"].set()
    assert await running == 2
    assert (await A.get(), await B.get()) == (2, 9)


@in_app
async def test_a_calls_b_calls_a_does_not_deadlock(app: App) -> None:
    inner = "return await other.add(10)"
    assert await A.run(f"self.n = 1\nx = await other.run({inner!r}, ref(self))\nreturn (x, self.n)", B) == (11, 11)
    assert await A.run("return await ref(self).add()") == 12
    assert await A.run("self.n += 1\nreturn await gather(ref(self).add(), ref(self).add(), other.add())", B) == [
        14,
        15,
        1,
    ]


@in_app
async def test_others_may_run_while_a_method_waits(app: App) -> None:
    GATES["b"] = asyncio.Event()
    running = asyncio.create_task(A.run("before = self.n\nawait other.wait('b')\nreturn before, self.n", B))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert await A.add(5) == 5
    GATES["b"].set()
    assert await running == (0, 5)


@pytest.mark.parametrize(
    "use",
    [
        ("x = self.tags", "x.append('late')"),
        ("self.table[1] = [1]; x = self.table[1]", "x.append(2)"),
        ("self.tags = x = ['mine']", "x.append('late')"),
        ("self.table[1] = x = []", "x.append(2)"),
    ],
)
@in_app
async def test_changing_a_value_read_before_a_commit_point_raises(app: App, use: tuple[str, str]) -> None:
    before, after = use
    with pytest.raises(StateError, match="read it again"):
        await A.run(f"{before}\nawait other.get()\n{after}\nself.n = 5", B)
    assert await A.get() == 0
    with pytest.raises(StateError, match="read it again"):
        await A.run(f"{before}\nawait other.get()\n{after}\nawait other.add()", B)
    assert await B.get() == 0


@in_app
async def test_values_read_again_after_a_commit_point_are_the_current_ones(app: App) -> None:
    inner = "self.tags.append('from b'); self.log.append('x'); self.table[1] = [1]; self.n = 3"
    lines = (
        "before = (self.n, list(self.tags), len(self.log), dict(self.table))\n"
        f"await other.run({f'await other.direct({inner!r})'!r}, ref(self))\n"
        "self.tags.append('own')\n"
        "return before, (self.n, list(self.tags), len(self.log), dict(self.table))"
    )
    assert await A.run(lines, B) == ((0, [], 0, {}), (3, ["from b", "own"], 1, {1: [1]}))
    assert await A.tags_now() == ["from b", "own"]


@in_app
async def test_iterating_a_collection_across_a_commit_point_goes_on_behind_the_last_key(app: App) -> None:
    await A.run("self.log.extend(str(n) for n in range(40))")
    lines = "seen = []\nfor item in self.log:\n    seen.append(item)\n    await other.add()\nreturn seen"
    assert await A.run(lines, B) == [str(n) for n in range(40)]
    grow = (
        "self.table.update({n: [] for n in range(0, 40, 2)}); seen = []\n"
        "for key in self.table:\n    seen.append(key)\n"
        "    if key % 2 == 0: await ref(self).direct(f'self.table[{key + 1}] = []; del self.table[{key}]')\n"
        "return seen"
    )
    assert await A.run(grow) == list(range(40))


FOREIGN = [
    "await asyncio.sleep(0)",
    "await asyncio.sleep(0.001)",
    "await asyncio.to_thread(int)",
    "async with asyncio.timeout(5): await asyncio.sleep(0)",
    "async with asyncio.TaskGroup() as g: g.create_task(asyncio.sleep(0))",
    "await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))",
    "await asyncio.wait_for(asyncio.sleep(0), 5)",
    "await asyncio.create_task(asyncio.sleep(0))",
]


@pytest.mark.parametrize("line", FOREIGN)
@in_app
async def test_foreign_awaits_work_and_are_no_commit_points(app: App, line: str) -> None:
    assert await A.run(f"self.n = 1\n{line}\nself.n += 1\nreturn self.n") == 2
    with pytest.raises(ZeroDivisionError):
        await A.run(f"self.n = 50\n{line}\n1 / 0")
    assert await A.get() == 2


@pytest.mark.parametrize("line", FOREIGN)
@in_app
async def test_a_commit_point_after_a_foreign_await_raises(app: App, line: str) -> None:
    with pytest.raises(UnjournaledAwait, match="effect"):
        await A.run(f"self.n = 1\n{line}\nawait other.add()", B)
    assert (await A.get(), await B.get()) == (0, 0)
    assert await A.run(f"await other.add()\nself.n = 1\n{line}\nself.n += 1\nreturn self.n", B) == 2


@in_app
async def test_a_foreign_await_keeps_the_object_to_itself(app: App) -> None:
    slow = [A.run("seen = self.n\nawait asyncio.sleep(0)\nself.n = seen + 1") for _ in range(20)]
    await asyncio.gather(*slow, *(A.add() for _ in range(20)))
    assert await A.get() == 40


@in_app
async def test_asyncio_timeout_around_a_call_ends_the_wait_and_the_method_goes_on(app: App) -> None:
    GATES["b"] = asyncio.Event()
    lines = (
        "self.n = 1\ntry:\n    async with asyncio.timeout(0.01): await other.wait('b')\n"
        "except TimeoutError:\n    self.n += 1\nreturn self.n"
    )
    assert await A.run(lines, B) == 2
    GATES["b"].set()
    assert await A.get() == 2


@in_app
async def test_a_call_timeout_inside_a_method(app: App) -> None:
    GATES["b"] = asyncio.Event()
    with pytest.raises(CallTimeout):
        await A.run("await call(other.wait('b'), timeout=0.01)", B)
    GATES["b"].set()


FROM_ANOTHER_TASK = [
    "await asyncio.create_task({})",
    "await asyncio.gather({})",
    *(["await asyncio.wait_for({}, 5)"] if sys.version_info < (3, 12) else []),  # since then it stays in its task
    "async with asyncio.TaskGroup() as g: g.create_task({})",
    "await asyncio.to_thread(lambda: asyncio.run({}))",
]


@pytest.mark.parametrize("line", FROM_ANOTHER_TASK)
@in_app
async def test_invoking_from_another_task_raises(app: App, line: str) -> None:
    with pytest.raises((StateError, ExceptionGroup)) as caught:
        await A.run("self.n = 1\n" + line.format("other.add()"), B)
    said = str(getattr(caught.value, "exceptions", caught.value))
    for words in ("another task", "automata.gather", "async with asyncio.timeout(...)", "call(..., timeout=...)"):
        assert words in said
    assert (await A.get(), await B.get()) == (0, 0)


@pytest.mark.parametrize(
    "line", ["await asyncio.to_thread(lambda: send(other.add()))", "await asyncio.create_task(later())"]
)
@in_app
async def test_sending_from_another_task_or_thread_raises(app: App, line: str) -> None:
    with pytest.raises(StateError, match="another task"):
        await A.run(f"async def later():\n    send(other.add())\n{line}", B)
    assert await B.get() == 0


@in_app
async def test_a_failed_delete_leaves_nothing_of_the_emptied_object_in_memory(app: App) -> None:
    await A.run("self.n = 3; self.table[1] = [2]; self.tags = ['t']")
    look = "return self.n, self.tags, len(self.table), len(self.log)"
    with pytest.raises(LookupError):
        await A.run(f"def look(): {look}\ndelete(); assert look() == (0, [], 0, 0); raise LookupError")
    assert await A.run(look) == (3, ["t"], 1, 0)


@in_app
async def test_now_and_delete_from_another_task_raise(app: App) -> None:
    for what in ("now()", "delete()"):
        with pytest.raises(StateError, match="another task"):
            await A.run(f"from automata import delete\nasync def later(): {what}\nawait asyncio.create_task(later())")


@pytest.mark.parametrize("what", ["await B.add()", "send(B.add())", "self.n = 5", "self.log.append('x')", "now()"])
@in_app
async def test_what_a_method_left_running_can_do_nothing_any_more(app: App, what: str) -> None:
    GATES["end"] = asyncio.Event()
    lines = f"async def later():\n    await GATES['end'].wait()\n    {what}\nSEEN.append(asyncio.create_task(later()))"
    await A.run(lines)
    GATES["end"].set()
    with pytest.raises(StateError):
        await SEEN[0]
    assert (await A.get(), await B.get()) == (0, 0)
    assert await listed(app.objects(Actor)) == []


@in_app
async def test_another_task_of_the_method_shares_its_fields(app: App) -> None:
    lines = "async def later(): self.n += 1\nawait asyncio.gather(later(), later())\nreturn self.n"
    assert await A.run(lines) == 2


@in_app
async def test_messages_to_oneself_and_to_the_called_leave_with_their_part(app: App) -> None:
    await A.run("send(ref(self).add()); send(other.add())\nawait other.add()\nsend(ref(self).add(10))", B)
    await settled(A.get, 11)
    await settled(B.get, 2)


@in_app
async def test_a_method_that_lingers_in_a_cancelled_wait_holds_its_object_again(app: App) -> None:
    GATES["b"] = asyncio.Event()
    lines = (
        "try:\n    async with asyncio.timeout(0.005): await other.wait('b')\n"
        "except TimeoutError: pass\nseen = self.n\nself.n = seen + 1"
    )
    await asyncio.gather(*(A.run(lines, B) for _ in range(10)), *(A.add() for _ in range(10)))
    GATES["b"].set()
    assert await A.get() == 20


__all__ = [
    "AutomataError",
    "InvalidArgument",
    "call",
    "delete",
    "gather",
    "now",
    "send",
]  # used by the lines that methods run
