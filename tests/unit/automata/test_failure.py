"""Exceptions of methods: they undo everything and reach the caller as themselves, or as RemoteError."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from automata import List, Ref, object_type, readonly, ref, send
from automata.app import App
from automata.errors import AutomataError, RemoteError
from tests.memory_app import in_app, listed


class Shortage(Exception):
    def __init__(self, missing: int, *, of: str) -> None:
        super().__init__(f"{missing} of {of} are missing")
        self.missing = missing
        self.of = of


class Opaque(Exception):
    def __init__(self, thing: object) -> None:
        super().__init__("opaque")
        self.thing = thing


class Family(Exception):
    pass


class Child(Family):
    pass


@object_type
class Thrower:
    n: int = 0
    tags: list[str] = []
    log: List[str]

    async def short(self) -> None:
        raise Shortage(3, of="bolts")

    async def everything_then_fail(self, other: Ref[Thrower]) -> None:
        self.n = 5
        self.tags.append("x")
        self.log.append("y")
        send(other.note("from failed"))
        raise Child("no")

    async def opaque(self) -> None:
        raise Opaque(lambda: None)

    async def local_class(self) -> None:
        class Hidden(Exception):
            pass

        raise Hidden("hidden", 5)

    async def raise_key(self) -> int:
        return {}["k"]  # type: ignore[return-value]

    async def chained(self) -> None:
        try:
            raise ValueError("first")
        except ValueError as error:
            raise Family("second") from error

    async def group(self) -> None:
        raise ExceptionGroup("several", [Shortage(1, of="a"), KeyError("b")])

    async def os_error(self) -> None:
        raise FileNotFoundError(2, "gone", "file.txt")

    async def relay(self, other: Ref[Thrower]) -> None:
        await other.short()

    async def stop_iteration(self) -> None:
        raise StopIteration(5)

    async def assertion(self) -> None:
        assert self.n == 1, "n is not one"

    async def note(self, text: str) -> None:
        self.log.append(text)

    @readonly
    async def look(self) -> tuple[int, list[str], list[str]]:
        return self.n, self.tags, list(self.log)

    @readonly
    async def look_badly(self) -> None:
        raise Shortage(1, of="views")


A, B = ref(Thrower, "a"), ref(Thrower, "b")


@in_app
async def test_an_exception_arrives_as_itself_without_running_its_init(app: App) -> None:
    with pytest.raises(Shortage, match="3 of bolts are missing") as caught:
        await A.short()
    assert (caught.value.missing, caught.value.of) == (3, "bolts")
    assert caught.value.args == ("3 of bolts are missing",)


@in_app
async def test_an_exception_undoes_everything_messages_included(app: App) -> None:
    with pytest.raises(Family):
        await A.everything_then_fail(B)
    assert await A.look() == (0, [], [])
    assert await listed(app.objects(Thrower)) == []
    await B.note("later")
    assert (await B.look())[2] == ["later"]


@in_app
async def test_the_remote_traceback_is_shown_as_the_cause(app: App) -> None:
    with pytest.raises(Shortage) as caught:
        await A.short()
    text = "".join(traceback.format_exception(caught.value))
    assert 'raise Shortage(3, of="bolts")' in text
    with pytest.raises(Family) as chained:
        await A.chained()
    assert "ValueError: first" in "".join(traceback.format_exception(chained.value))


@in_app
async def test_an_exception_passes_through_other_objects(app: App) -> None:
    with pytest.raises(Shortage) as caught:
        await A.relay(B)
    assert caught.value.missing == 3
    assert "in relay" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("method", "name"), [("opaque", "Opaque"), ("local_class", "Hidden")])
@in_app
async def test_what_cannot_be_rebuilt_arrives_as_remote_error(app: App, method: str, name: str) -> None:
    with pytest.raises(RemoteError) as caught:
        await getattr(A, method)()
    assert name in caught.value.type_name
    assert f"in {method}" in caught.value.remote_traceback


BUILT_IN: list[tuple[str, type[Exception], Any]] = [
    ("raise_key", KeyError, ("k",)),
    ("os_error", FileNotFoundError, (2, "gone")),
    ("assertion", AssertionError, None),
]


@pytest.mark.parametrize(("method", "kind", "args"), BUILT_IN)
@in_app
async def test_built_in_exceptions_arrive_as_themselves(
    app: App, method: str, kind: type[Exception], args: Any
) -> None:
    with pytest.raises(kind) as caught:
        await getattr(A, method)()
    assert args is None or caught.value.args == args
    if isinstance(caught.value, OSError):
        assert (caught.value.errno, caught.value.filename) == (2, "file.txt")


@in_app
async def test_a_group_of_exceptions_arrives_as_one(app: App) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await A.group()
    assert [type(e) for e in caught.value.exceptions] == [Shortage, KeyError]


@in_app
async def test_an_exception_of_a_readonly_method_arrives_as_itself(app: App) -> None:
    with pytest.raises(Shortage, match="views"):
        await A.look_badly()


@in_app
async def test_stop_iteration_becomes_a_runtime_error_as_in_any_coroutine(app: App) -> None:
    with pytest.raises(RuntimeError):
        await A.stop_iteration()


@in_app
async def test_the_callers_copy_of_an_exception_is_its_own(app: App) -> None:
    with pytest.raises(Shortage) as first:
        await A.short()
    first.value.of = "changed"
    with pytest.raises(Shortage) as second:
        await A.short()
    assert second.value.of == "bolts"


@in_app
async def test_errors_of_the_library_are_told_from_those_of_the_application(app: App) -> None:
    assert not issubclass(Shortage, AutomataError)
    with pytest.raises(AutomataError):
        await A.note(5)  # type: ignore[arg-type]
