"""The host functions of core modules, each asked for by a method of `tests.sandbox_tools`."""

from __future__ import annotations

import asyncio
import logging
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest

from automata import errors, object_type, readonly, ref, sleep
from automata.app import App
from tests.core_modules import modules_app, take, with_module
from tests.memory_app import settled
from tests.sandbox_tools import other, tools

packed = msgspec.msgpack.encode


@object_type
class Teller:
    key: str
    told: int = 0

    async def tell(self, number: int) -> int:
        self.told += number
        return self.told

    async def dawdle(self) -> None:
        await sleep(0.001)

    async def refuse(self) -> None:
        raise ValueError("not today")

    async def _private(self) -> int:
        return 1

    @readonly
    async def total(self) -> int:
        return self.told


def guest(key: str = "one") -> Any:
    return ref("Guest", key)


def rows(data: bytes) -> list[tuple[bytes, bytes]]:
    parts, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        parts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return list(zip(parts[::2], parts[1::2], strict=True))


@with_module(tools())
async def test_a_row_that_was_put_is_there_for_the_next_call_until_it_is_deleted(app: App) -> None:
    await guest().put(b"k", b"value")
    assert await guest().get(b"k") == b"value"
    assert await guest("two").put(b"k", b"its own") is None
    assert await guest().get(b"k") == b"value"
    await guest().delete(b"k")
    with pytest.raises(errors.RemoteError):
        await guest().get(b"k")
    await guest().delete(b"never there")


@with_module(tools())
async def test_scan_gives_rows_forwards_backwards_and_up_to_a_limit(app: App) -> None:
    for name in (b"a", b"b", b"c\0", b"d"):
        await guest().put(name, b"=" + name)
    every = [(name, b"=" + name) for name in (b"a", b"b", b"c\0", b"d")]
    assert rows(await guest().scan(b"", b"", 10, False)) == every
    assert rows(await guest().scan(b"", b"", 10, True)) == every[::-1]
    assert rows(await guest().scan(b"b", b"d", 10, False)) == every[1:3]
    assert rows(await guest().scan(b"b", b"d", 1, True)) == every[2:3]
    assert rows(await guest().scan(b"", b"", 2, False)) == every[:2]
    assert rows(await guest().scan(b"x", b"b", 2, False)) == []
    assert rows(await guest().scan(b"", b"", 0, False)) == []


@with_module(tools())
async def test_a_scan_longer_than_a_page_is_whole(app: App) -> None:
    names = [b"%03d" % n for n in range(50)]
    for name in names:
        await guest().put(name, b"v")
    assert [name for name, _ in rows(await guest().scan(b"", b"", 100, False))] == names
    assert [name for name, _ in rows(await guest().scan(b"001", b"", 40, True))] == names[:9:-1]


@with_module(tools())
async def test_the_key_of_the_object_is_given_as_text(app: App) -> None:
    assert await guest("käse").own_key() == "käse"


@with_module(tools())
async def test_arguments_and_results_of_every_kind(app: App) -> None:
    assert await guest().add(-(1 << 62), 5) == 5 - (1 << 62)
    assert await guest().half(3.0) == 1.5
    assert await guest().negate(True) is False
    assert await guest().echo_text("naïve \N{SNOWMAN}") == "naïve \N{SNOWMAN}"
    assert await guest().echo_bytes(b"\0\xff") == b"\0\xff"
    assert await guest().echo_list([1, -2, 3]) == [1, -2, 3]
    assert await guest().echo_map({"a": (1, 0.5)}) == {"a": (1, 0.5)}
    assert await guest().echo_record({"x": 4}) == {"x": 4}
    assert await guest().echo_any({"deep": [(1, None), {2}]}) == {"deep": [(1, None), {2}]}


@with_module(tools())
async def test_an_integer_of_more_than_64_bits_is_refused(app: App) -> None:
    with pytest.raises(errors.InvalidArgument, match="64 bits"):
        await guest().add(1 << 63, 0)


@with_module(tools())
async def test_a_call_awaits_another_object_and_gets_its_result(app: App) -> None:
    found = await guest().call("Teller", "t", "tell", packed([5]))
    assert msgspec.msgpack.decode(found) == 5
    assert await ref(Teller, "t").total() == 5


@with_module(tools())
async def test_over_several_awaits_each_call_and_each_write_happens_once(app: App) -> None:
    assert await guest().count_calls("Teller", "t", "tell", packed([1]), 5) == 5
    assert await ref(Teller, "t").total() == 5
    assert await guest().count_calls("Teller", "t", "tell", packed([1]), 2) == 7
    assert await ref(Teller, "t").total() == 7


@with_module(tools())
async def test_what_others_write_between_the_parts_is_not_undone_by_those_that_run_again(app: App) -> None:
    calls = (guest().count_calls("Teller", f"t{n}", "dawdle", packed([]), 4) for n in range(3))
    assert max(await asyncio.gather(*calls)) == 12
    assert await guest().spin_then_count(1) == 13


@with_module(tools())
async def test_an_error_of_the_called_method_comes_as_its_text(app: App) -> None:
    with pytest.raises(errors.RemoteError, match="not today"):
        await guest().call("Teller", "t", "refuse", packed([]))


@pytest.mark.parametrize(
    ("whom", "what"),
    [
        (("Nobody", "t", "tell"), "no type 'Nobody'"),
        (("Teller", "t", "sing"), "no method 'sing'"),
        (("Teller", "t", "_private"), "private"),
        (("Teller", "", "tell"), "key"),
    ],
)
def test_a_call_that_cannot_be_made_is_an_error_of_the_call(whom: tuple[str, str, str], what: str) -> None:
    @with_module(tools())
    async def calls(app: App) -> None:
        with pytest.raises(errors.RemoteError, match=what):
            await guest().call(*whom, packed([1]))

    calls()


@with_module(tools())
async def test_a_message_arrives_and_one_for_later_does_too(app: App) -> None:
    await guest().send("Teller", "t", "tell", packed([2]), 0.0)
    await settled(ref(Teller, "t").total, 2)
    await guest().send("Teller", "t", "tell", packed([3]), 0.01)
    await settled(ref(Teller, "t").total, 5)


@pytest.mark.parametrize("delay", [-1.0, float("nan"), float("inf"), 1e10])
def test_a_delay_that_is_none_is_refused(delay: float) -> None:
    @with_module(tools())
    async def sends(app: App) -> None:
        with pytest.raises(errors.InvalidArgument, match="delay"):
            await guest().send("Teller", "t", "tell", packed([2]), delay)

    sends()


@with_module(tools())
async def test_a_message_that_cannot_be_sent_fails_the_step(app: App) -> None:
    for whom, error in (
        (("Nobody", "t", "tell"), errors.UnknownType),
        (("Teller", "t", "_private"), errors.NotPublic),
        (("Teller", "t", "sing"), errors.UnknownMethod),
    ):
        with pytest.raises(error):
            await guest().send(*whom, packed([1]), 0.0)
    with pytest.raises(errors.InvalidArgument):
        await guest().send("Teller", "t", "tell", packed(["no number"]), 0.0)
    with pytest.raises(errors.GuestTrapped, match="MessagePack"):
        await guest().send("Teller", "t", "tell", b"\x93\x01", 0.0)
    assert await ref(Teller, "t").total() == 0


@with_module(tools())
async def test_fail_raises_with_the_text_and_a_trap_says_what_it_was(app: App) -> None:
    with pytest.raises(errors.RemoteError, match="no luck"):
        await guest().fail("no luck")
    with pytest.raises(errors.GuestTrapped, match="unreachable"):
        await guest().put_then_fail(b"k", b"v")
    assert not await app.exists(guest())


def test_a_key_that_a_guest_has_chosen_is_no_line_of_the_log_and_no_format(caplog: pytest.LogCaptureFixture) -> None:
    key = "one\nroot: forged \x1b[2J %s"

    @with_module(tools())
    async def logs(app: App) -> None:
        await ref("Guest", key).log(30, "text")
        with pytest.raises(errors.RemoteError) as raised:
            await ref("Guest", key).fail("a\nb\x1b[2J\x07")
        assert raised.value.message == "a\nb\\x1b[2J\\x07"

    caplog.set_level(0, "automata")
    logs()
    [told] = [record.getMessage() for record in caplog.records if record.getMessage().endswith("text")]
    assert told == r"Guest/one\nroot: forged \x1b[2J %s: text"


def test_what_a_guest_logs_names_its_object_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    @with_module(tools())
    async def logs(app: App) -> None:
        await guest().log(30, "first\nroot: forged")
        await guest().log(-5, "lowest")
        await guest().log(1 << 30, "highest")

    caplog.set_level(0, "automata")
    logs()
    told = [(record.levelno, record.getMessage()) for record in caplog.records if "Guest/one" in record.getMessage()]
    assert (logging.WARNING, "Guest/one: first\\nroot: forged") in told
    assert (logging.CRITICAL, "Guest/one: highest") in told
    assert {level for level, _ in told} <= {0, logging.WARNING, logging.CRITICAL}


@with_module(tools())
async def test_time_and_chance_are_those_of_the_host(app: App) -> None:
    engine = app._engine
    assert engine is not None
    before = engine.host.options.clock()
    told = await guest().now()
    assert before <= told <= engine.host.options.clock()
    drawn = {await guest().random(16) for _ in range(4)}
    assert len(drawn) == 4
    assert {len(one) for one in drawn} == {16}
    assert await guest().random(0) == b""


@with_module(tools())
async def test_a_readonly_method_neither_writes_nor_sends_nor_calls_what_writes(app: App) -> None:
    await guest().put(b"k", b"v")
    before = await app.inspect(guest())
    with pytest.raises(errors.ReadOnlyError):
        await guest().write_while_reading()
    for delay in (0.0, 5.0):
        with pytest.raises(errors.ReadOnlyError):
            await guest().send_while_reading("Teller", "t", "tell", packed([2]), delay)
    with pytest.raises(errors.ReadOnlyError):
        await guest().call_while_reading("Teller", "t", "tell", packed([2]))
    assert msgspec.msgpack.decode(await guest().call_while_reading("Teller", "t", "total", packed([]))) == 0
    assert await app.inspect(guest()) == before


@with_module(tools())
async def test_a_long_method_goes_on_in_a_thread_and_does_its_step_once(app: App) -> None:
    [before] = [upload.usage.runs async for upload in app.uploads()]
    assert await guest().spin_then_count(3) == 1
    assert await guest().spin_then_count(2_000_000) == 2
    assert await guest().spin_then_count(3) == 3
    [after] = [upload.usage.runs async for upload in app.uploads()]
    assert after - before >= 4  # the long one began twice


@with_module(tools())
async def test_long_methods_of_many_objects_run_side_by_side_each_once(app: App) -> None:
    results = await asyncio.gather(*(guest(f"k{n % 4}").spin_then_count(500_000) for n in range(12)))
    assert sorted(results) == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]


@with_module(tools())
async def test_private_methods_of_an_upload_are_its_own_alone(app: App) -> None:
    with pytest.raises(errors.NotPublic):
        await guest()._secret()
    found = await guest().call("Guest", "two", "_secret", packed([]))
    assert msgspec.msgpack.decode(found) == 42


def test_two_uploads_call_each_others_public_methods_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            await take(app, tmp_path, tools())
            await take(app, tmp_path, other("Other", 3), "other")
            assert msgspec.msgpack.decode(await guest().call("Other", "o", "times", packed([7]))) == 21
            with pytest.raises(errors.RemoteError, match="private"):
                await guest().call("Other", "o", "_times", packed([7]))

    asyncio.run(scenario())
