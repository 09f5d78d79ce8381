"""`@readonly(cache=True)`: a result is reused while everything that it read is unchanged (LambdaObjects §4.2.2)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from pydantic import BaseModel

from automata import (
    List,
    Map,
    Ref,
    Set,
    delete,
    effect,
    gather,
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
from automata.errors import InvalidArgument, OutcomeUnknown, ReadOnlyError, StateError
from automata.options import Options
from automata.read_cache import print_of, print_of_rows
from darq.memory import MemoryStore
from tests.memory_app import in_app, in_loop, memory_app, settled

RUNS: list[str] = []
HOLDS: dict[str, asyncio.Event] = {}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    RUNS.clear()
    HOLDS.clear()


class Mark(BaseModel):
    value: int

    @cached_property
    def notes(self) -> list[str]:
        return []


@dataclass
class Pair:
    left: int
    right: list[int]


@object_type
class Book:
    key: str
    title: str = ""
    tags: list[str] = []
    lines: List[str]
    words: Map[str, int]
    readers: Set[str]

    async def change(self, title: str) -> None:
        self.title = title

    async def write(self, *, lines: int = 0, words: dict[str, int] | None = None) -> None:
        self.lines.extend(f"line {n}" for n in range(lines))
        self.words.update(words or {})

    async def change_and_look(self, title: str) -> list[str]:
        self.title = title
        return [await ref(self).titled(), await ref(self).titled()]

    async def change_slowly(self, title: str) -> None:
        self.title = title
        HOLDS["begun"].set()
        await HOLDS["go on"].wait()

    async def change_together(self, other: Ref[Book], title: str, fails: bool) -> str:
        seen: list[str] = []

        async def body() -> None:
            await other.change(title)
            seen.append(await other.titled())
            if fails:
                raise LookupError

        try:
            await transaction(body)
        except LookupError:
            return seen[0]
        return seen[0]

    @readonly(cache=True)
    async def titled(self) -> str:
        RUNS.append("titled")
        return self.title

    @readonly(cache=True)
    async def titled_as(self, form: float) -> str:
        return f"{self.title} {form}"

    @readonly(cache=True)
    async def titled_anyhow(self, form) -> str:  # type: ignore[no-untyped-def]
        return f"{self.title} {form}"

    @readonly(cache=True)
    async def last(self, n: int) -> list[str]:
        RUNS.append("last")
        return self.lines.last(n)

    @readonly(cache=True)
    async def first_words(self, limit: int) -> list[tuple[str, int]]:
        RUNS.append("first_words")
        return list(self.words.range("b", "m", limit=limit))

    @readonly(cache=True)
    async def word(self, word: str) -> int | None:
        RUNS.append("word")
        return self.words.get(word)

    @readonly(cache=True)
    async def by_helpers(self) -> str:
        return f"{await self.titled()} {await self.helper()}"

    async def helper(self) -> str:
        return self.title.upper()

    @readonly(cache=True)
    async def marks(self) -> list[Mark]:
        return [Mark(value=1)]

    @readonly(cache=True)
    async def pairs(self) -> list[Pair]:
        return [Pair(1, [2])]

    @readonly(cache=True)
    async def tagged(self) -> Any:
        return self.tags

    @readonly(cache=True)
    async def raising(self) -> None:
        RUNS.append("raising")
        raise ValueError(self.title)

    @readonly(cache=True)
    async def misfit(self) -> int:
        return self.title  # type: ignore[return-value]

    @readonly(cache=True)
    async def forbidden(self, line: str, other: Ref[Book]) -> Any:
        scope = globals() | {"self": self, "other": other}
        exec(f"async def body():\n    {line}", scope)
        await scope["body"]()

    @readonly(cache=True)
    async def sized(self, letters: int) -> str:
        return "x" * letters


B, C = ref(Book, "b"), ref(Book, "c")


async def counted(app: App) -> tuple[int, int]:
    """(hits, misses) so far."""
    stats = await app.stats()
    return stats["cache_hits"], stats["cache_misses"]


@in_app
async def test_a_second_call_does_not_run(app: App) -> None:
    await B.change("a")
    assert [await B.titled(), await B.titled()] == ["a", "a"]
    assert RUNS == ["titled"]
    assert await counted(app) == (1, 1)
    stats = await app.stats()
    assert stats["cache_entries"] == 1
    assert stats["cache_bytes"] > 0


@in_app
async def test_a_change_of_what_it_read_makes_it_run_again(app: App) -> None:
    assert await B.titled() == ""
    await B.change("a")
    assert await B.titled() == "a"
    assert await C.titled() == ""
    await app.delete(B)
    assert await B.titled() == ""
    assert RUNS == ["titled"] * 4


@in_app
async def test_a_change_of_anything_else_does_not(app: App) -> None:
    await B.change("a")
    await B.titled()
    await B.write(lines=1)
    await B.change("a")
    await C.change("c")
    assert await B.titled() == "a"
    assert RUNS == ["titled"]


@in_app
async def test_a_change_and_back_leaves_it_valid(app: App) -> None:
    await B.change("a")
    await B.titled()
    await B.change("b")
    await B.change("a")
    await B.titled()
    assert RUNS == ["titled"]


@in_app
async def test_an_entry_added_to_what_it_looked_through_makes_it_run_again(app: App) -> None:
    await B.write(words={"b": 1, "d": 2, "f": 3})
    assert await B.first_words(2) == [("b", 1), ("d", 2)]
    await B.write(words={"c": 5})
    assert await B.first_words(2) == [("b", 1), ("c", 5)]
    assert await B.word("e") is None
    await B.write(words={"e": 6})
    assert await B.word("e") == 6


@in_app
async def test_an_entry_changed_inside_what_it_looked_through_makes_it_run_again(app: App) -> None:
    await B.write(words={"b": 1, "d": 2})
    assert await B.first_words(2) == [("b", 1), ("d", 2)]
    await B.write(words={"d": 3})
    assert await B.first_words(2) == [("b", 1), ("d", 3)]


@in_app
async def test_an_entry_behind_what_it_looked_through_does_not(app: App) -> None:
    await B.write(words={f"{letter}{n:02}": n for letter in "cd" for n in range(20)})
    await B.first_words(2)
    await B.write(words={"d19": 7})
    await B.first_words(2)
    assert RUNS == ["first_words"]


@in_app
async def test_each_arguments_have_a_result_of_their_own(app: App) -> None:
    await B.write(lines=3)
    assert [await B.last(1), await B.last(2), await B.last(n=1)] == [["line 2"], ["line 1", "line 2"], ["line 2"]]
    assert RUNS == ["last", "last"]


@in_app
async def test_equal_arguments_that_differ_are_told_apart(app: App) -> None:
    assert [await B.titled_as(form) for form in (0.0, -0.0)] == [" 0.0", " -0.0"]
    assert [await B.titled_anyhow(form) for form in (1, True, 1.0)] == [" 1", " True", " 1.0"]


@in_app
async def test_what_a_caller_does_to_its_result_no_other_sees(app: App) -> None:
    await B.write(lines=2)
    for _ in range(3):
        lines, marks, pairs, tags = await B.last(2), await B.marks(), await B.pairs(), await B.tagged()
        assert (lines, marks, pairs, tags) == (["line 0", "line 1"], [Mark(value=1)], [Pair(1, [2])], [])
        assert "notes" not in vars(marks[0])
        lines.clear()
        marks[0].value = 5
        marks[0].notes.append("x")
        pairs[0].right.append(3)
        tags.append("x")


@pytest.mark.parametrize(
    "line",
    [
        "now()",
        "uuid4()",
        "random()",
        "await other.titled()",
        "await ref(self).titled()",
        "await gather(other.titled())",
        "send(other.change('x'))",
        "delete()",
        "await sleep(1)",
        "await effect(print)",
        "await asyncio.sleep(0)",
        "await asyncio.create_task(asyncio.sleep(0))",
    ],
)
@in_app
async def test_what_makes_a_result_vary_is_refused_with_the_method_and_the_remedy(app: App, line: str) -> None:
    for _ in range(2):
        with pytest.raises(ReadOnlyError, match=r"Book/b forbidden is @readonly\(cache=True\).*Remove cache=True"):
            await B.forbidden(line, C)
    assert await counted(app) == (0, 2)


@pytest.mark.parametrize(
    "line", ["self.title = 'x'", "self.lines.append('x')", "self.tags.append('x')", "await self.change('x')"]
)
@in_app
async def test_it_may_write_nothing(app: App, line: str) -> None:
    with pytest.raises(ReadOnlyError, match="readonly method"):
        await B.forbidden(line, C)
    assert not await app.exists(B)


@in_app
async def test_nothing_that_it_leaves_behind_can_go_on_asking(app: App) -> None:
    tasks: list[asyncio.Task[None]] = []
    HOLDS["tasks"] = tasks  # type: ignore[assignment]

    with pytest.raises(ReadOnlyError, match="await"):
        await B.forbidden("async def later(): now()\n    HOLDS['tasks'].append(asyncio.create_task(later()))\n"
                          "    await asyncio.sleep(0)", C)  # fmt: skip
    with pytest.raises(StateError, match="has ended"):
        await tasks[0]


@in_app
async def test_it_may_await_helpers_of_its_own(app: App) -> None:
    await B.change("a")
    assert [await B.by_helpers(), await B.by_helpers()] == ["a A", "a A"]
    await B.change("b")
    assert await B.by_helpers() == "b B"
    assert await counted(app) == (1, 2)


@in_app
async def test_an_exception_is_not_kept(app: App) -> None:
    for title in ("a", "b", "b"):
        await B.change(title)
        with pytest.raises(ValueError, match=title):
            await B.raising()
        with pytest.raises(InvalidArgument, match="result"):
            await B.misfit()
    assert RUNS == ["raising"] * 3
    assert (await app.stats())["cache_entries"] == 0


@in_app
async def test_a_method_gets_what_it_has_committed(app: App) -> None:
    await B.titled()
    assert await B.change_and_look("a") == ["a", "a"]
    assert RUNS == ["titled"] * 2


@in_app
async def test_in_a_transaction_it_sees_what_that_has_changed_and_nobody_else_does(app: App) -> None:
    await B.change("a")
    assert await B.titled() == "a"
    for fails, after in ((True, "a"), (False, "b")):
        assert await C.change_together(B, "b", fails) == "b"
        assert [await B.titled(), await B.titled()] == [after, after]


@in_app
async def test_amid_another_method_it_sees_what_is_committed(app: App) -> None:
    HOLDS.update({"begun": asyncio.Event(), "go on": asyncio.Event()})
    await B.change("a")
    running = asyncio.create_task(B.change_slowly("b"))  # type: ignore[arg-type]
    await HOLDS["begun"].wait()
    assert [await B.titled(), await B.titled()] == ["a", "a"]
    HOLDS["go on"].set()
    await running
    assert await B.titled() == "b"


@in_app
async def test_a_message_to_it_is_consumed(app: App) -> None:
    await B.titled()
    await send(B.titled())
    await settled(lambda: counted(app), (1, 1))


@in_loop
async def test_a_kept_answer_waits_until_what_it_may_depend_on_is_durable() -> None:
    store = MemoryStore()
    app = await memory_app(store).__aenter__()
    await B.change("a")
    assert await B.word("w") is None
    store.fail_next_flush = OSError("no more")
    changing = asyncio.create_task(B.change("b"))  # type: ignore[arg-type]
    kept = asyncio.create_task(B.word("w"))  # type: ignore[arg-type]
    outcomes = await asyncio.gather(changing, kept, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, OutcomeUnknown]
    assert RUNS == ["word"]
    await app.__aexit__(None, None, None)


@in_app
async def test_results_of_old_code_are_not_given(app: App) -> None:
    def define(answer: str) -> Any:
        class Spoken:
            said: str = answer

            @readonly(cache=True)
            async def say(self) -> str:
                return self.said

        Spoken.__qualname__ = "Spoken"
        return object_type(name="Spoken")(Spoken)

    old = ref(define("old"), "s")
    assert [await old.say(), await old.say()] == ["old", "old"]
    new = ref(define("new"), "s")
    assert [await new.say(), await old.say(), await new.say()] == ["new", "new", "new"]


@in_loop
async def test_objects_may_be_forgotten_while_their_results_are_kept() -> None:
    async with memory_app(options=Options(entities_max=2)) as app:
        await B.change("b")
        await B.titled()
        for n in range(10):
            await ref(Book, f"other {n}").change("x")
        assert await B.titled() == "b"
        assert RUNS == ["titled"]
        for n in range(10):
            await ref(Book, f"other {n}").change("x")
        await B.change("c")
        assert await B.titled() == "c"
        assert await counted(app) == (1, 2)


@in_loop
async def test_the_results_kept_are_bounded_in_number_and_the_least_used_go_first() -> None:
    async with memory_app(options=Options(cached_results_max=2)) as app:
        for n in (1, 2, 1, 3, 1, 2):
            await B.last(n)
        assert (await app.stats())["cache_entries"] == 2
        assert RUNS == ["last"] * 4


@in_loop
async def test_the_results_kept_are_bounded_in_bytes() -> None:
    async with memory_app(options=Options(cached_bytes_max=20_000)) as app:
        for letters in (6_000, 6_001, 6_002, 6_003):
            await B.sized(letters)
        stats = await app.stats()
        assert stats["cache_entries"] == 2
        assert 12_000 < stats["cache_bytes"] <= 20_000
        assert len(await B.sized(30_000)) == 30_000
        assert (await app.stats())["cache_entries"] == 2
        for word in ("a", "b"):
            await B.word(word)
        stats = await app.stats()
        assert stats["cache_bytes"] <= 20_000


@in_loop
async def test_nothing_is_kept_where_nothing_may_be() -> None:
    async with memory_app(options=Options(cached_results_max=0)) as app:
        assert [await B.titled(), await B.titled()] == ["", ""]
        stats = await app.stats()
        assert (stats["cache_entries"], stats["cache_bytes"], stats["cache_hits"]) == (0, 0, 0)


def test_values_and_rows_are_told_apart_by_their_prints() -> None:
    long = b"x" * 100
    assert print_of(b"x") == b"x"
    assert print_of(long) != print_of(long + b"x")
    assert print_of(print_of(long)) != print_of(long), "a hash as a value is no value of that hash"
    rows = [[(b"a", b"bc")], [(b"ab", b"c")], [(b"a", b""), (b"b", b"c")], [(b"", b"abc")], []]
    assert len({print_of_rows(each) for each in rows}) == len(rows)


__all__ = ["delete", "effect", "gather", "now", "random", "sleep", "uuid4"]  # used by the lines that methods run
