"""What cut an await off does so again when the method is run again: the same timeouts, at once, and no others."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from automata import List, now, object_type, ref, send, sleep, testing
from automata.deadlines import Deadlines, MethodTask
from automata.testing import VirtualApp, crash_everywhere
from automata.work import Outcome

CODE = ["as it was"]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CODE[0] = "as it was"


@object_type
class Hasty:
    key: str
    log: List[str]

    async def hold(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def nest(self, outer: float, before: float, inner: float) -> None:
        try:
            async with asyncio.timeout(outer):
                await sleep(before)
                try:
                    async with asyncio.timeout(inner):
                        await sleep(1000)
                except TimeoutError:
                    self.log.append("inner")
                await sleep(1000)
        except TimeoutError:
            self.log.append("outer")
        await sleep(1000)
        self.log.append("end")

    async def repeat(self) -> None:
        for _ in range(5):
            try:
                async with asyncio.timeout(600):
                    await sleep(10**6)
            except TimeoutError:
                pass
        self.log.append(f"{now():.0f}")

    async def extend(self) -> None:
        begun = now()
        try:
            async with asyncio.timeout(100) as limit:
                await sleep(50)
                when = limit.when()
                assert when is not None
                limit.reschedule(when + 20)
                await sleep(50)
                self.log.append("later")
                await sleep(1000)
        except TimeoutError:
            self.log.append(f"{now() - begun:.0f}")

    async def cancel_itself(self, how: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        if how == "at once":
            task.cancel()
        elif how == "from outside":
            if CODE[0] == "as it was":  # once: nobody does so when it is run again
                CODE[0] = "cancelled"
                asyncio.get_running_loop().call_later(5, task.cancel)
        else:
            asyncio.get_running_loop().call_soon(task.cancel)
        try:
            await sleep(1000)
        except asyncio.CancelledError:
            self.log.append(f"cancelled {task.cancelling()}")
        await sleep(1000)
        self.log.append("end")

    async def limited(self) -> None:
        limit = asyncio.timeout(None if CODE[0] == "no limit" else 10)
        try:
            if CODE[0] == "no timeout":
                await sleep(1000)
            async with limit:
                await sleep(1000)
        except TimeoutError:
            self.log.append("expired")
        await sleep(1000)

    async def cleaned(self) -> None:
        try:
            async with asyncio.timeout(10):
                try:
                    await sleep(1000)
                finally:
                    await sleep(5)
                    self.log.append("cleaned")
        except TimeoutError:
            self.log.append("expired")
        await sleep(1000)
        self.log.append("end")


def told(run: Callable[[], Awaitable[None]], crashes: tuple[float, ...], seconds: float = 4000) -> list[str]:
    """What the method has noted, in an app that dies at these times."""

    async def scenario(app: VirtualApp) -> list[str]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        send(run())
        for at in crashes:
            await asyncio.sleep(begun + at - loop.time())
            await app.crash()
        await asyncio.sleep(begun + seconds - loop.time())
        assert [letter.error async for letter in app.interrupted()] == []
        return list((await app.inspect(ref(Hasty, "h")))["log"])

    return testing.run(scenario)


@pytest.mark.parametrize("crashes", [(), (3,), (9,), (12,), (14,), (50,), (50, 60), (4, 9, 50, 1050)])
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((10, 8, 5), ["outer", "end"]),
        ((100, 8, 5), ["inner", "outer", "end"]),
        ((2000, 8, 5), ["inner", "end"]),
        ((13, 8, 5.5), ["outer", "end"]),
        ((13.5, 8, 5), ["inner", "outer", "end"]),
    ],
)
def test_the_same_timeout_expires_again(
    limits: tuple[float, float, float], expected: list[str], crashes: tuple[float, ...]
) -> None:
    assert told(lambda: ref(Hasty, "h").nest(*limits), crashes) == expected


def test_the_same_timeout_expires_wherever_the_process_dies() -> None:
    async def scenario(app: VirtualApp) -> None:
        await send(ref(Hasty, "h").nest(100, 8, 5))
        await asyncio.sleep(3000)
        assert list((await app.inspect(ref(Hasty, "h")))["log"]) == ["inner", "outer", "end"]

    assert crash_everywhere(scenario).boundaries > 4


def test_two_that_expire_in_one_await_do_so_again() -> None:
    """The outer one expires while the method waits for its object, to go on after the inner one."""

    def run(crashes: list[float]) -> list[str]:
        async def scenario(app: VirtualApp) -> list[str]:
            send(ref(Hasty, "h").nest(10, 1, 4))
            await asyncio.sleep(3)
            send(ref(Hasty, "h").hold(9))
            for seconds in crashes:
                await asyncio.sleep(seconds)
                await app.crash()
            await asyncio.sleep(3000)
            return list((await app.inspect(ref(Hasty, "h")))["log"])

        return testing.run(scenario)

    assert run([]) == run([50]) == run([50, 50]) == ["outer", "end"]


def test_a_timeout_that_has_expired_is_not_waited_out_again() -> None:
    [plain] = told(lambda: ref(Hasty, "h").repeat(), ())
    [crashed] = told(lambda: ref(Hasty, "h").repeat(), (2900,))
    assert abs(int(crashed) - int(plain)) <= 1


def test_a_timeout_keeps_what_is_left_of_its_time() -> None:
    assert told(lambda: ref(Hasty, "h").extend(), ()) == ["later", "120"]
    for crashes in [(10.0,), (60.0,), (110.0,), (10.0, 60.0, 110.0)]:
        assert told(lambda: ref(Hasty, "h").extend(), crashes) == ["later", "120"]


@pytest.mark.parametrize("how", ["at once", "soon", "from outside"])
def test_a_cancellation_that_is_no_timeout_is_not_waited_for(how: str) -> None:
    expected = ["cancelled 1", "end"]
    assert told(lambda: ref(Hasty, "h").cancel_itself(how), ()) == expected
    CODE[0] = "as it was"
    assert told(lambda: ref(Hasty, "h").cancel_itself(how), (500,)) == expected


def test_what_awaits_on_its_way_out_of_a_timeout_is_run_again() -> None:
    for crashes in [(), (12.0,), (50.0,), (12.0, 13.0, 50.0)]:
        assert told(lambda: ref(Hasty, "h").cleaned(), crashes) == ["cleaned", "expired", "end"]


def test_code_without_the_timeout_differs_from_its_journal() -> None:
    async def scenario(app: VirtualApp) -> list[str]:
        send(ref(Hasty, "h").limited())
        await asyncio.sleep(100)
        CODE[0] = "no timeout"
        await app.crash()
        await asyncio.sleep(100)
        return [letter.error async for letter in app.interrupted()]

    [error] = testing.run(scenario)
    assert "part 1 of 2 the code is not in the asyncio.timeout() that had cut off sleep()" in error


def test_a_timeout_that_lasts_longer_now_expires_as_it_did() -> None:
    async def scenario(app: VirtualApp) -> list[str]:
        send(ref(Hasty, "h").limited())
        await asyncio.sleep(100)
        CODE[0] = "no limit"
        await app.crash()
        await asyncio.sleep(100)
        return list((await app.inspect(ref(Hasty, "h")))["log"])

    assert testing.run(scenario) == ["expired"]


# the timeouts of one task


def in_task(body: Callable[[Deadlines], Awaitable[object]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(loop, 1000.0)

        async def run() -> Outcome:
            return Outcome(await body(deadlines), None, 0)

        task = MethodTask(run(), loop=loop)
        task.entered = deadlines.add
        await task

    asyncio.run(main())


def test_a_task_tells_of_each_timeout_that_it_enters_however_it_does() -> None:
    async def body(deadlines: Deadlines) -> None:
        async with asyncio.timeout(10), asyncio.timeout_at(asyncio.get_running_loop().time() + 5):
            assert deadlines.can_expire([0, 1])
            assert not deadlines.can_expire([2])
            await asyncio.sleep(0)
        assert not deadlines.can_expire([0])
        async with asyncio.timeout(None):
            assert deadlines.can_expire([2])
            await asyncio.sleep(0)

    in_task(body)


def test_what_has_expired_is_told_once() -> None:
    async def body(deadlines: Deadlines) -> None:
        told = []
        try:
            async with asyncio.timeout(100), asyncio.timeout(0):
                try:
                    await asyncio.sleep(100)
                finally:
                    told = [deadlines.take_expired(), deadlines.take_expired()]
                    assert not deadlines.can_expire([1])
                    assert deadlines.can_expire([0])
        except TimeoutError:
            told.append([])
        assert told == [[1], [], []]

    in_task(body)


def test_later_means_less_time_left_and_never_more() -> None:
    async def body(deadlines: Deadlines) -> None:
        async with asyncio.timeout(100) as limit, asyncio.timeout(None) as none:
            armed = limit.when()
            assert armed is not None
            deadlines.advance(1030.0)
            assert limit.when() == pytest.approx(armed - 30)
            deadlines.advance(900.0)  # the wall clock was set back
            assert limit.when() == pytest.approx(armed - 30)
            deadlines.advance(1040.0)
            assert limit.when() == pytest.approx(armed - 40)
            assert none.when() is None
            await asyncio.sleep(0)

    in_task(body)


def test_timeouts_that_were_left_are_forgotten() -> None:
    async def body(deadlines: Deadlines) -> None:
        for _ in range(10):
            async with asyncio.timeout(10):
                await asyncio.sleep(0)
        gc.collect()
        assert len(deadlines._numbers) == 0

    in_task(body)
