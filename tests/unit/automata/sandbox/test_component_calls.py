"""Calls between host and components: what passes, what becomes of errors, and that nothing stays behind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, cast

import pytest
from wasmtime import Engine, Store, WasmtimeError
from wasmtime.component import Component, Linker

from automata.errors import GuestTrapped
from automata.sandbox.component_calls import Callbacks, HostFunction, call
from automata.sandbox.component_values import as_bytes, put_bytes, put_nothing, put_rows, put_text
from automata.sandbox.session import Session
from tests.echo_component import BYTES, HOST, ROWS, asking_component, echo_component
from tests.resident_memory import resident_bytes

ENGINE = Engine()


class Caller:
    """What a session is for host functions: it counts their calls, and keeps why one has failed."""

    def __init__(self) -> None:
        self.calls = 0
        self.failure: Exception | None = None

    def count_call(self) -> None:
        """One more."""
        self.calls += 1


class Asking:
    """A component that asks its host, of which it believes that `ask` is of these types."""

    def __init__(self, function: HostFunction, given: str = BYTES, result: str = BYTES) -> None:
        self.session = Caller()
        self._linker = Linker(ENGINE)
        self._kept = Callbacks(self._linker, HOST, {"ask": function}, lambda: cast("Session", self.session))
        self._component = Component(ENGINE, asking_component(given, result))

    def run(self, data: bytes) -> bytes:
        """What its host has given."""
        with Store(ENGINE) as store:
            return call(self._linker, store, self._component, "run", (data,))


def asks(work: Callable[..., Any], put: Callable[[int, Any], None] = put_bytes) -> HostFunction:
    return HostFunction((as_bytes,), put, work)


def reverse(session: Caller, data: bytes) -> bytes:
    return data[::-1]


@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 100, bytes(1 << 20)], ids=len)
def test_bytes_pass_both_ways(data: bytes) -> None:
    asking = Asking(asks(reverse))
    assert asking.run(data) == data[::-1]
    assert asking.session.calls == 1


def test_an_export_gives_back_what_it_gets() -> None:
    with Store(ENGINE) as store:
        assert call(Linker(ENGINE), store, Component(ENGINE, echo_component()), "bytes", (b"data",)) == b"data"


@pytest.mark.parametrize("name", ["other", ""])
def test_an_export_that_is_not_there_traps(name: str) -> None:
    with Store(ENGINE) as store, pytest.raises(GuestTrapped, match="exports no"):
        call(Linker(ENGINE), store, Component(ENGINE, echo_component()), name, (b"",))


@pytest.mark.parametrize("name", ["u32", "text", "rows"])
def test_an_export_of_other_types_is_not_called(name: str) -> None:
    with Store(ENGINE) as store, pytest.raises(WasmtimeError):
        call(Linker(ENGINE), store, Component(ENGINE, echo_component()), name, (b"a",))


@pytest.mark.parametrize("count", [0, 2])
def test_an_export_of_another_number_of_parameters_is_not_called(count: int) -> None:
    with Store(ENGINE) as store, pytest.raises(WasmtimeError):
        call(Linker(ENGINE), store, Component(ENGINE, echo_component()), "bytes", (b"a",) * count)


def test_an_error_of_the_host_is_kept_and_the_component_traps() -> None:
    def refuse(session: Caller, data: bytes) -> bytes:
        raise LookupError("nothing there")

    asking = Asking(asks(refuse))
    with pytest.raises(WasmtimeError, match="refused by the host"):
        asking.run(b"data")
    assert str(asking.session.failure) == "nothing there"


@pytest.mark.parametrize("given", ["string", "(list s8)", "(list bool)"])
def test_arguments_of_other_types_reach_no_host_function(given: str) -> None:
    asking = Asking(asks(reverse), given)
    with pytest.raises(WasmtimeError):
        asking.run(b"\1\1")
    assert isinstance(asking.session.failure, GuestTrapped)


@pytest.mark.parametrize("result", ["string", "(list s8)", ROWS])
def test_results_of_other_types_are_not_passed_on(result: str) -> None:
    with pytest.raises(WasmtimeError):
        Asking(asks(reverse), result=result).run(b"data")


def test_a_function_without_a_result_gives_none() -> None:
    heard: list[bytes] = []
    hear = HostFunction((as_bytes,), put_nothing, lambda session, data: heard.append(data))
    Asking(hear, result="").run(b"data")
    assert heard == [b"data"]


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (HostFunction((as_bytes,), put_nothing, lambda *given: None), BYTES),
        (asks(reverse), ""),
        (HostFunction((), put_bytes, lambda *given: b""), BYTES),
        (HostFunction((as_bytes, as_bytes), put_bytes, lambda *given: b""), BYTES),
    ],
    ids=["a result too many", "a result too few", "an argument too many", "an argument too few"],
)
def test_a_function_of_another_shape_is_not_called(function: HostFunction, result: str) -> None:
    asking = Asking(function, result=result)
    with pytest.raises(WasmtimeError):
        asking.run(b"data")
    assert "as what it is not" in str(asking.session.failure)
    assert asking.session.calls == 0


@pytest.mark.parametrize("fails", [False, True], ids=["that succeed", "that fail"])
def test_nothing_stays_of_calls(fails: bool) -> None:
    data = bytes(100_000)  # three megabytes as values

    def ask(session: Caller, given: bytes) -> list[tuple[bytes, bytes]]:
        return [(b"key", given), (b"key", cast("bytes", None) if fails else given)]

    asking = Asking(asks(ask, put_rows), result=ROWS)

    def run() -> None:
        with pytest.raises(WasmtimeError) if fails else nullcontext():
            asking.run(data)

    for _ in range(5):
        run()
    before = resident_bytes()
    for _ in range(50):
        run()
    assert resident_bytes() - before < 60_000_000


def test_nothing_stays_of_what_an_export_gives() -> None:
    linker, component, data = Linker(ENGINE), Component(ENGINE, echo_component()), bytes(100_000)

    def run() -> None:
        with Store(ENGINE) as store:
            assert call(linker, store, component, "bytes", (data,)) == data

    run()
    before = resident_bytes()
    for _ in range(50):
        run()
    assert resident_bytes() - before < 60_000_000


def test_text_passes() -> None:
    shout = asks(lambda session, data: data.decode().upper(), put_text)
    assert Asking(shout, result="string").run("blåbær".encode()).decode() == "BLÅBÆR"
