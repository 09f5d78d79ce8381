"""What objects do is the same natively and in a sandbox: each test runs over one source, imported and built."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from automata import call, ref, send
from automata.app import App
from automata.errors import AutomataError, InvalidArgument, NotPublic, ReadOnlyError, RemoteError, StateError
from automata.options import Options
from automata.types import REGISTRY
from darq.memory import MemoryStore
from tests.memory_app import crash, memory_app, settled, until

SOURCE = Path(__file__).parent / "objects.py"

Scenario = Callable[[App], Coroutine[Any, Any, None]]


class Native:
    """The types as this process imports them."""

    def __init__(self) -> None:
        self.options = Options()

    @asynccontextmanager
    async def types(self) -> AsyncIterator[None]:
        """Known while a test runs: a type of a name has one owner in a process."""
        module = _imported()
        made = [vars(module)[name].__automaton__ for name in ("Box", "Shelf", "Account", "Keeper")]
        try:
            yield
        finally:
            for one in made:
                REGISTRY.remove(one)

    async def take_in(self, app: App) -> None:
        """They are known already."""

    def raises(self, kind: type[Exception], text: str) -> Any:
        """An exception of a method reaches its caller as itself."""
        return pytest.raises(kind, match=text)


class Sandboxed:
    """The types as a module that was built of the same source."""

    def __init__(self, module: Path, compiled: Path) -> None:
        self.options = Options(modules=compiled)
        self._module = module

    @asynccontextmanager
    async def types(self) -> AsyncIterator[None]:
        """Uploads bring their own."""
        yield

    async def take_in(self, app: App) -> None:
        """Upload them."""
        await app.upload(self._module)

    def raises(self, kind: type[Exception], text: str) -> Any:
        """An exception of uploaded code is a RemoteError for its caller, unless the host itself has raised it."""
        return pytest.raises((RemoteError, kind) if issubclass(kind, AutomataError) else RemoteError, match=text)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Sandboxed:
    """Built once: it takes ten seconds, and as many more to compile."""
    folder = tmp_path_factory.mktemp("behaviour")
    target = folder / "objects.wasm"
    subprocess.run([sys.executable, "-m", "ssms", "build", str(SOURCE), "-o", str(target)], check=True)
    return Sandboxed(target, folder / "modules")


@pytest.fixture(params=["native", "sandboxed"])
def kind(request: pytest.FixtureRequest) -> Native | Sandboxed:
    """Both ways to run the types."""
    return Native() if request.param == "native" else request.getfixturevalue("built")


def _imported() -> ModuleType:
    spec = importlib.util.spec_from_file_location("behaviour_objects", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["behaviour_objects"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_both(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[[Native | Sandboxed], None]:
    """Let a test run over each kind: it gets the open app, and the kind."""

    def run(kind: Native | Sandboxed) -> None:
        async def scenario() -> None:
            async with kind.types(), memory_app(options=kind.options) as app:
                await kind.take_in(app)
                await test(app, kind)

        asyncio.run(scenario())

    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined]
    return run


Kind = Native | Sandboxed


def box(key: str = "b") -> Any:
    """A ref by name: what uploads and native types have in common."""
    return ref("Box", key)


def shelf(key: str = "s") -> Any:
    """As `box`."""
    return ref("Shelf", key)


def account(key: str = "a") -> Any:
    """As `box`."""
    return ref("Account", key)


# values


@in_both
async def test_fields_begin_with_their_defaults(app: App, kind: Kind) -> None:
    found = await box().values()
    assert found["big"] == repr(2**100)
    assert found["data"] == repr(b"\x00\xff")
    assert found["at"] == "datetime.datetime(2030, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)"
    assert (found["maybe"], found["either"], found["colour"]) == ("None", "1", "<Colour.RED: 'red'>")
    assert (found["names"], found["table"], found["pair"], found["exact"]) == (
        "[]",
        "{}",
        "(1, 'one')",
        "Decimal('1.50')",
    )


@in_both
async def test_values_of_each_kind_are_kept(app: App, kind: Kind) -> None:
    await box().set_all()
    found = await box().values()
    assert found["ratio"] == "2.0", "an int serves as a float"
    assert (found["count"], found["name"], found["big"]) == ("-5", repr("Ω\x00x"), repr(-(2**90)))
    assert (found["maybe"], found["either"], found["colour"], found["size"]) == (
        "3",
        "'text'",
        "<Colour.BLUE: 'blue'>",
        "'m'",
    )
    assert found["at"] == "datetime.datetime(2031, 2, 3, 4, 5, 6, 7, tzinfo=datetime.timezone.utc)"
    assert (found["day"], found["exact"]) == ("datetime.date(1999, 12, 31)", "Decimal('0.10')")
    assert (found["table"], found["pair"], found["data"]) == ("{'x': [1, 2]}", "(2, 'two')", repr(bytes(range(256))))


@in_both
async def test_changes_in_place_are_kept(app: App, kind: Kind) -> None:
    await box().change_in_place()
    assert await box().change_in_place() == ["more", "more"]
    assert list(await box().items()) == ["first", 3, ["new", "new"]]


@in_both
async def test_inspect_shows_fields(app: App, kind: Kind) -> None:
    await box().set_all()
    found = await app.inspect(box())
    assert (found["count"], found["name"], found["table"], found["maybe"]) == (-5, "Ω\x00x", {"x": [1, 2]}, 3)


@in_both
async def test_records_come_and_go(app: App, kind: Kind) -> None:
    item: Any = {"name": "cup", "price": 3, "tags": ["x"]}
    if isinstance(kind, Native):
        item = sys.modules["behaviour_objects"].Item(**item)
    taken = await box().take(item)
    assert (taken if isinstance(taken, dict) else vars(taken)) == {"name": "cup!", "price": 3, "tags": []}
    assert list(await box().items()) == ["cup", 3, ["x"]]


@in_both
async def test_what_does_not_fit_a_field_is_refused(app: App, kind: Kind) -> None:
    assert "expected int, got str '5'" in await box().assign_badly()
    assert (await box().seen())[0] == 9


@in_both
async def test_undeclared_attributes_are_refused_and_the_step_with_them(app: App, kind: Kind) -> None:
    with kind.raises(StateError, "missing is not declared"):
        await box().assign_undeclared()
    assert (await box().seen())[0] == 0


# calls


@in_both
async def test_arguments_are_checked_before_anything_runs(app: App, kind: Kind) -> None:
    for wrong in (
        lambda: box().note(5),
        lambda: box().note(),
        lambda: box().note("a", "b"),
        lambda: box().note(other="a"),
    ):
        with pytest.raises(InvalidArgument):
            await wrong()
    assert not await app.exists(box())


@in_both
async def test_defaults_and_names_of_arguments(app: App, kind: Kind) -> None:
    assert await box().default_arguments(1) == "1 b 1.0"
    assert await box().default_arguments(a=2, b="x", c=2.5) == "2 x 2.5"


@in_both
async def test_an_error_rolls_all_of_the_step_back(app: App, kind: Kind) -> None:
    await box().note("before")
    with kind.raises(ValueError, "boom"):
        await box().fail_after("boom")
    assert list(await box().seen()) == [0, ["before"]]
    assert list(await box("other").seen()) == [0, []], "nor was anything sent"


@in_both
async def test_readonly_methods_neither_write_nor_send(app: App, kind: Kind) -> None:
    with kind.raises(ReadOnlyError, "readonly"):
        await box().write_anyway()
    with kind.raises(ReadOnlyError, "readonly"):
        await box().send_anyway()
    assert not await app.exists(box())


@in_both
async def test_private_methods_are_refused_to_clients(app: App, kind: Kind) -> None:
    with pytest.raises(NotPublic):
        await box()._hidden()
    assert await box().ask_hidden("other") == 42


@in_both
async def test_unknown_methods_are_refused(app: App, kind: Kind) -> None:
    with pytest.raises(AttributeError):
        await box().nothing()


@in_both
async def test_refs_are_values(app: App, kind: Kind) -> None:
    assert await box().befriend("friend") == box()
    await box().tell_friend("hello")
    await settled(box("friend").seen, (0, ["hello"]))


@in_both
async def test_a_method_calls_its_own_others_plainly(app: App, kind: Kind) -> None:
    assert await box().call_own() == 1


@in_both
async def test_a_deleted_object_is_an_empty_one(app: App, kind: Kind) -> None:
    await box().note("a")
    await box().forget()
    assert not await app.exists(box())
    assert list(await box().seen()) == [0, []]


@in_both
async def test_clock_and_chance_are_the_hosts(app: App, kind: Kind) -> None:
    assert list(await box().drawn()) == [True, True, True]


@in_both
async def test_messages_of_clients_arrive_in_order(app: App, kind: Kind) -> None:
    for n in range(10):
        send(box().note(str(n)))
    await settled(box().seen, (0, [str(n) for n in range(10)]))


@in_both
async def test_an_idempotency_key_makes_repeats_one(app: App, kind: Kind) -> None:
    first = await call(account().put(5), idempotency_key="k")
    assert await call(account().put(5), idempotency_key="k") == first
    assert (await account().told())[0] == 5


# collections


@in_both
async def test_maps(app: App, kind: Kind) -> None:
    assert list(await shelf().fill(20)) == [20, 20, 7]
    names, absent, there, some, backwards, reverse, popped, count, total = await shelf().mapped()
    assert (names, absent, there) == (["n000", "n002", "n003", "n004"], -1, True)
    assert [tuple(pair) for pair in some] == [("n002", 102), ("n003", 3), ("n004", 4)]
    assert [tuple(pair) for pair in backwards] == [("n019", 19), ("n018", 18)]
    assert (reverse, popped, count, total) == (["n019", "n018"], 3, 18, sum(range(20)) - 1 + 100 - 3)


@in_both
async def test_lists(app: App, kind: Kind) -> None:
    await shelf().fill(10)
    assert await shelf().listed() == [["last", "first"], "l1", "l8", ["l2", "l3", "l4"], ["l7", "l8"], 8, ["l8", "l7"]]


@in_both
async def test_sets(app: App, kind: Kind) -> None:
    await shelf().fill(10)
    assert await shelf().set_like() == [[0, 1, 2, 4, 5, 6], False, True, 6]


@in_both
async def test_entries_change_in_place_and_have_tuples_as_keys(app: App, kind: Kind) -> None:
    entries, tags = await shelf().nested()
    assert [(tuple(key), value) for key, value in entries] == [((1, "z"), []), ((2, "b"), [1, 2])]
    assert tags == ["t"]


@in_both
async def test_large_collections_are_read_page_by_page(app: App, kind: Kind) -> None:
    await shelf().fill(300)
    await shelf().fill(300)
    assert list(await shelf().fill(0)) == [300, 600, 7]
    assert (await app.inspect(shelf()))["line"][-1] == "l299"


@in_both
async def test_clearing_and_iterating_while_changing(app: App, kind: Kind) -> None:
    await shelf().fill(4)
    assert await shelf().while_iterating() == ["n000", "n001", "n0015", "n003"]
    assert await shelf().missing() == "KeyError IndexError"
    assert await shelf().clear_all() == 1
    assert (await app.inspect(shelf()))["line"] == ["again"]


# awaiting others


@in_both
async def test_an_await_is_a_commit_point(app: App, kind: Kind) -> None:
    await account("a").put(10)
    assert await account("a").pay("b", 4) == 10
    assert list(await account("a").told()) == [6, ["paying b", "paid b"]]
    assert list(await account("b").told()) == [4, []]


@in_both
async def test_an_error_of_another_object_comes_to_its_caller(app: App, kind: Kind) -> None:
    assert "b has only 0" in await account("a").pay_badly("b")
    assert list(await account("a").told()) == [0, ["trying", "failed"]]


@in_both
async def test_an_error_behind_an_await_undoes_the_current_part_alone(app: App, kind: Kind) -> None:
    with kind.raises(ValueError, "behind"):
        await account("a").fail_behind("b")
    assert list(await account("a").told()) == [0, ["kept"]]
    assert (await account("b").told())[0] == 1


@in_both
async def test_gather_is_one_commit_point(app: App, kind: Kind) -> None:
    assert await account().gather_all(["x", "y", "z"]) == [1, 2, 3]
    assert (await account().told())[0] == 6


@in_both
async def test_methods_of_many_parts(app: App, kind: Kind) -> None:
    assert await account().rounds("other", 12) == [*range(1, 13), 12]


@in_both
async def test_changing_what_was_read_before_an_await_is_an_error(app: App, kind: Kind) -> None:
    with kind.raises(StateError, "read again|changed"):
        await account().stale("other")


@in_both
async def test_sleeping_is_durable_and_ends(app: App, kind: Kind) -> None:
    assert await account().nap() >= 0.05
    assert (await account().told())[1] == ["slept"]


@in_both
async def test_idempotency_keys_inside_methods(app: App, kind: Kind) -> None:
    assert await account().keyed("other") == [5, 5]


@in_both
async def test_messages_for_later_and_cancelling(app: App, kind: Kind) -> None:
    assert await account().later() is True

    async def log() -> object:
        return (await account().told())[1]

    await settled(log, ["kept"])


@in_both
async def test_readonly_methods_await_readonly_ones_alone(app: App, kind: Kind) -> None:
    await account("b").put(3)
    assert list(await account("a").told_of("b")) == [3, []]
    with kind.raises(ReadOnlyError, "readonly"):
        await account("a").pay_readonly("b")


@in_both
async def test_calling_back_does_not_deadlock(app: App, kind: Kind) -> None:
    assert await account("a").back_and_forth("b", 4) == 13


# crashes


def test_methods_resume_after_a_crash(kind: Native | Sandboxed) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        async with kind.types():
            app = await memory_app(store, options=kind.options).__aenter__()
            await kind.take_in(app)
            await account("a").put(0)
            running = asyncio.create_task(_ignore(account("a").rounds("other", 20)))

            async def some() -> bool:
                return len((await account("a").told())[1]) > 5

            await until(some)
            await crash(app, store)
            running.cancel()
            async with memory_app(store, options=kind.options):

                async def seen() -> object:
                    return [(await account("a").told())[1], (await account("other").told())[0]]

                await settled(seen, [[str(n) for n in range(1, 21)], 20])

    asyncio.run(scenario())


async def _ignore(work: Any) -> None:
    try:
        await work
    except AutomataError:
        return
