"""Each limit of an uploaded module: met exactly, named in the error, and the whole step rolled back."""

from __future__ import annotations

import asyncio
import dataclasses
import logging

import msgspec
import pytest

from automata import errors, object_type, readonly, ref
from automata.app import App
from automata.sandbox.limits import SandboxLimits, limits_of
from tests.core_modules import core_module, described, method, one_method, with_module
from tests.sandbox_tools import tools

ARGUMENTS = msgspec.msgpack.encode([1])


@object_type
class Listener:
    key: str
    heard: int = 0

    async def hear(self, number: int) -> int:
        self.heard += number
        return self.heard

    @readonly
    async def total(self) -> int:
        return self.heard


def times(body: str, count: int) -> str:
    count_up = "(local.set $i (i32.add (local.get $i) (i32.const 1)))"
    return f"(loop $l {body} {count_up} (br_if $l (i32.lt_s (local.get $i) (i32.const {count}))))"


def repeated(body: str, count: int, first: str = "", rest: str = "") -> bytes:
    """A module whose method writes the row "w", then does something so many times."""
    write = "(call $put (i32.const 8) (i32.const 1) (i32.const 8) (i32.const 1))"
    return one_method(f"(local $i i32) {write} {first} {times(body, count)}", rest=f'(data (i32.const 8) "w") {rest}')


_PUT = "(call $put (i32.const 0) (i32.const {key}) (i32.const 0) (i32.const {value}))"
_GET = "(drop (call $get (i32.const 8) (i32.const 1) (i32.const 100) (i32.const 1)))"
_SEND = (
    "(call $send (i32.const 16) (i32.const 8) (i32.const 24) (i32.const 1) (i32.const 32) (i32.const 4)"
    " (i32.const 28) (i32.const 2) (f64.const {delay}))"
)
_SCAN = (
    "(drop (call $scan (i32.const 0) (i32.const {begin}) (i32.const 0) (i32.const 0) (i32.const {limit}) (i32.const 0)"
    " (i32.const 0) (i32.const 0)))"
)
_NAMES = (
    '(data (i32.const 16) "Listener") (data (i32.const 24) "k")'
    ' (data (i32.const 28) "\\91\\01") (data (i32.const 32) "hear")'
)

EXCEEDING = {
    "fuel": (repeated("nop", 10_000_000), {"fuel": 1_000_000}),
    "fuel within the first moment": (repeated("nop", 10_000), {"fuel": 10_000}),
    "seconds": (repeated("nop", 2_000_000_000), {"seconds": 0.05}),
    "host_calls": (repeated(_GET, 100), {"host_calls": 50}),
    "host_calls beside the loop": (repeated(_GET, 5000), {"host_calls": 4000}),
    "reads": (repeated(_GET, 100), {"reads": 50}),
    "read_bytes": (repeated(_GET, 100), {"read_bytes": 50}),
    "read_bytes of chance": (repeated("(call $random (i32.const 0) (i32.const 1000))", 20), {"read_bytes": 15_000}),
    "reads of nothing": (repeated(_SCAN.format(begin=0, limit=0), 100), {"reads": 50}),
    "read_bytes of questions": (repeated(_SCAN.format(begin=1000, limit=0), 100), {"read_bytes": 50_000}),
    "writes": (repeated(_PUT.format(key=1, value=1), 100), {"writes": 50}),
    "write_bytes": (repeated(_PUT.format(key=1, value=1000), 100), {"write_bytes": 50_000}),
    "key_bytes": (repeated(_PUT.format(key=101, value=1), 1), {"key_bytes": 100}),
    "value_bytes": (repeated(_PUT.format(key=1, value=101), 1), {"value_bytes": 100}),
    "value_bytes of a result": (repeated("(call $reply (i32.const 0) (i32.const 101))", 1), {"value_bytes": 100}),
    "sends": (repeated(_SEND.format(delay=0), 50, rest=_NAMES), {"sends": 20}),
    "sends for later": (repeated(_SEND.format(delay=5), 50, rest=_NAMES), {"sends": 20}),
    "elements": (repeated(_SEND.format(delay=0), 50, rest=_NAMES), {"elements": 100}),
    "elements of messages for later": (repeated(_SEND.format(delay=5), 50, rest=_NAMES), {"elements": 100}),
    "write_bytes of messages": (repeated(_SEND.format(delay=0), 50, rest=_NAMES), {"write_bytes": 50}),
    "stack": (one_method("(call $go)"), {}),
}


@pytest.mark.parametrize("what", EXCEEDING)
def test_more_than_a_limit_allows_names_it_and_rolls_the_step_back(what: str) -> None:
    data, limits = EXCEEDING[what]

    @with_module(data, **limits)
    async def meets(app: App) -> None:
        with pytest.raises(errors.LimitExceeded) as raised:
            await ref("Guest", "one").go()
        assert raised.value.limit == what.partition(" ")[0]
        assert f"(limit: {raised.value.limit})" in str(raised.value)
        assert not await app.exists(ref("Guest", "one"))
        [upload] = [upload async for upload in app.uploads()]
        assert upload.usage.stopped >= 1
        assert await ref(Listener, "k").total() == 0

    meets()


WITHIN = {
    "host_calls": (repeated(_GET, 49), {"host_calls": 50}),
    "reads": (repeated(_GET, 50), {"reads": 50}),
    "writes": (repeated(_PUT.format(key=1, value=1), 49), {"writes": 50}),
    "elements": (repeated(_SEND.format(delay=1000), 20, rest=_NAMES), {"elements": 80}),
    "key_bytes": (repeated(_PUT.format(key=100, value=1), 1), {"key_bytes": 100}),
    "value_bytes": (repeated(_PUT.format(key=1, value=100), 1), {"value_bytes": 100}),
    "sends": (repeated(_SEND.format(delay=1000), 20, rest=_NAMES), {"sends": 20}),
}


@pytest.mark.parametrize("what", WITHIN)
def test_exactly_as_much_as_a_limit_allows_is_done(what: str) -> None:
    data, limits = WITHIN[what]

    @with_module(data, **limits)
    async def stays_within(app: App) -> None:
        assert await ref("Guest", "one").go() is None
        assert await app.exists(ref("Guest", "one"))

    stays_within()


@with_module(one_method("(i64.extend_i32_s (memory.grow (i32.const 100)))", result="int"), memory_bytes=10 << 16)
async def test_memory_does_not_grow_beyond_its_limit(app: App) -> None:
    assert await ref("Guest", "one").go() == -1


@with_module(
    one_method(
        "(i64.extend_i32_s (table.grow (ref.null func) (i32.const 50)))", result="int", rest="(table 10 funcref)"
    ),
    table_elements=40,
)
async def test_a_table_does_not_grow_beyond_its_limit(app: App) -> None:
    assert await ref("Guest", "one").go() == -1


@with_module(tools(), awaits=3)
async def test_more_awaits_than_allowed_keep_what_the_parts_before_have_done(app: App) -> None:
    assert await ref("Guest", "one").count_calls("Listener", "k", "hear", ARGUMENTS, 3) == 3
    with pytest.raises(errors.LimitExceeded) as raised:
        await ref("Guest", "two").count_calls("Listener", "k", "hear", ARGUMENTS, 10)
    assert raised.value.limit == "awaits"
    assert await ref(Listener, "k").total() == 7


@with_module(tools(), awaiting_bytes=3 * (64 << 10))
async def test_methods_that_await_others_together_keep_no_more_than_allowed(app: App) -> None:
    calls = (ref("Guest", f"k{n}").count_calls("Listener", "k", "hear", ARGUMENTS, 1) for n in range(6))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, errors.LimitExceeded)]
    assert {one.limit for one in refused} <= {"awaiting_bytes"}
    assert await ref(Listener, "k").total() == len(outcomes) - len(refused)
    assert await ref("Guest", "again").count_calls("Listener", "k", "hear", ARGUMENTS, 2) == 2


@with_module(tools(), awaiting_bytes=1)
async def test_a_method_that_may_keep_nothing_may_not_await(app: App) -> None:
    with pytest.raises(errors.LimitExceeded) as raised:
        await ref("Guest", "one").count_calls("Listener", "k", "hear", ARGUMENTS, 1)
    assert raised.value.limit == "awaiting_bytes"


@with_module(tools(), reads=12)
async def test_reads_count_over_all_parts_and_once_each(app: App) -> None:
    assert await ref("Guest", "one").count_calls("Listener", "k", "hear", ARGUMENTS, 11) == 11
    with pytest.raises(errors.LimitExceeded) as raised:
        await ref("Guest", "two").count_calls("Listener", "k", "hear", ARGUMENTS, 12)
    assert raised.value.limit == "reads"


def test_text_beyond_the_limit_of_the_log_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    @with_module(repeated("(call $log (i32.const 30) (i32.const 8) (i32.const 1))", 500), log_bytes=1000)
    async def logs(app: App) -> None:
        assert await ref("Guest", "one").go() is None

    caplog.set_level(logging.INFO, "automata")
    logs()
    told = [record for record in caplog.records if record.getMessage().startswith("Guest/one")]
    assert 0 < len(told) <= 1000 // 64


@with_module(tools(), SandboxLimits(fuel=20_000), fuel=1 << 40)
async def test_nobody_has_more_than_the_host_allows(app: App) -> None:
    assert await ref("Guest", "one").spin_then_count(10) == 1
    with pytest.raises(errors.LimitExceeded):
        await ref("Guest", "one").spin_then_count(1_000_000)


@pytest.mark.parametrize("limits", [{"types": 1}, {"methods": 1}])
def test_a_module_with_more_types_or_methods_than_allowed_is_refused(limits: dict[str, int]) -> None:
    made = described([method("a"), method("b")])
    made["types"].append({"name": "Second"})
    data = core_module(made, '(func (export "Guest.a") (export "Guest.b"))')

    @with_module(data, **limits)
    async def never(app: App) -> None:
        raise AssertionError("it was taken")

    with pytest.raises(errors.ModuleRefused, match="at most 1"):
        never()


def test_a_module_larger_than_allowed_is_refused() -> None:
    @with_module(tools(), module_bytes=1000)
    async def never(app: App) -> None:
        raise AssertionError("it was taken")

    with pytest.raises(errors.ModuleRefused, match="at most 1000"):
        never()


@pytest.mark.parametrize(
    "given",
    [
        {"fuels": 1},
        {"fuel": -1},
        {"fuel": 1.5},
        {"seconds": float("nan")},
        {"fuel": True},
        {"runs_at_once": 0},
        {"seconds": float("inf")},
        {"fuel": 1 << 62},
    ],
)
def test_what_is_no_limit_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(errors.InvalidArgument):
        limits_of(given)


def test_limits_within_others_are_the_lower_ones() -> None:
    ceiling = SandboxLimits(fuel=100, fuel_per_second=50)
    assert SandboxLimits(fuel=200, reads=1).within(ceiling) == SandboxLimits(fuel=100, reads=1, fuel_per_second=50)
    assert SandboxLimits(fuel_per_second=70).within(ceiling).fuel_per_second == 50
    assert SandboxLimits(fuel_per_second=70).within(SandboxLimits()).fuel_per_second == 70
    assert SandboxLimits(fuel_per_second=20).within(ceiling).fuel_per_second == 20
    assert SandboxLimits(messages_per_second=0).within(ceiling).messages_per_second == ceiling.messages_per_second


def test_every_limit_has_a_test_here() -> None:
    named = {what.partition(" ")[0] for what in EXCEEDING} - {"stack"}
    others = {
        "memory_bytes",
        "table_elements",
        "awaits",
        "awaiting_bytes",
        "log_bytes",
        "types",
        "methods",
        "module_bytes",
    }
    quotas = {"runs_at_once", "fuel_per_second", "messages_per_second"}  # in test_quota.py
    assert named | others | quotas == {field.name for field in dataclasses.fields(SandboxLimits)}
