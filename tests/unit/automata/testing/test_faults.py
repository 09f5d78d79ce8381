"""Faults by name, on demand and by chance: whatever happens, each call is made once and each message arrives once."""

from __future__ import annotations

import asyncio

import pytest

from automata import List, Retry, object_type, readonly, ref, send
from automata.errors import InvalidArgument, StorageFull
from automata.keyed import Keyed
from automata.testing import Fault, Faults, VirtualApp, run
from tests.memory_app import listed

STORE = [Fault.WRITE_FAILS, Fault.WRITE_UNREPORTED, Fault.FLUSH_FAILS]
REQUESTS = [Fault.REQUEST_DOUBLED, Fault.REQUEST_DELAYED]


@object_type
class Log:
    key: str
    lines: List[str]

    async def write(self, line: str) -> int:
        self.lines.append(line)
        return len(self.lines)

    async def tell(self, other: str, line: str) -> None:
        send(ref(Log, other).write(line))

    async def tell_all(self, others: list[str], line: str) -> None:
        for other in others:
            send(ref(Log, other).write(line))

    @readonly
    async def read(self) -> list[str]:
        return list(self.lines)


@pytest.mark.parametrize("fault", [*STORE, *REQUESTS])
def test_a_call_is_made_once(fault: Fault) -> None:
    faults = Faults()

    async def scenario(app: VirtualApp) -> None:
        assert await ref(Log, "a").write("1") == 1
        faults.next(fault)
        assert await ref(Log, "a").write("2") == 2
        assert await ref(Log, "a").read() == ["1", "2"]
        assert faults.happened[fault] == 1

    run(scenario, faults=faults)


@pytest.mark.parametrize("fault", [*STORE, Fault.REQUEST_DOUBLED, Fault.MESSAGE_DOUBLED, Fault.MESSAGE_DELAYED])
def test_a_message_arrives_once(fault: Fault) -> None:
    faults = Faults()

    async def scenario(app: VirtualApp) -> None:
        faults.next(fault)
        await send(ref(Log, "a").tell("b", "1"))
        await asyncio.sleep(60)
        assert await ref(Log, "b").read() == ["1"]
        assert faults.happened[fault] == 1

    run(scenario, faults=faults)


def test_while_the_disk_is_full_clients_wait_and_nothing_is_lost_or_overtaken() -> None:
    faults = Faults()

    async def scenario(app: VirtualApp) -> None:
        assert await ref(Log, "a").write("1") == 1
        await asyncio.sleep(1)
        begun = asyncio.get_running_loop().time()
        faults.next(Fault.DISK_FULL)
        for n in range(2, 10):
            send(ref(Log, "a").write(f"{n}"))
        assert await ref(Log, "a").write("10") == 10
        assert await ref(Log, "a").read() == [f"{n}" for n in range(1, 11)]
        assert faults.happened[Fault.DISK_FULL] == 1
        assert asyncio.get_running_loop().time() > begun

    run(scenario, faults=faults)


def test_a_disk_that_a_test_has_filled_itself_is_what_callers_hear_of() -> None:
    async def scenario(app: VirtualApp) -> None:
        await ref(Log, "a").write("1")
        app.disk.free = 0
        await asyncio.sleep(1)
        with pytest.raises(StorageFull):
            await ref(Log, "a").write("2")
        with pytest.raises(StorageFull):
            send(ref(Log, "a").write("3"))
        app.disk.free = 1 << 40
        await asyncio.sleep(1)
        assert await ref(Log, "a").write("4") == 2

    run(scenario)


def test_a_dead_letter_that_is_delivered_again_and_doubled_arrives_once() -> None:
    faults, broken = Faults(), [True]

    @object_type(retry=Retry(tries=1))
    class Fragile:
        key: str
        count: int = 0

        async def add(self) -> None:
            if broken:
                raise LookupError
            self.count += 1

        @readonly
        async def get(self) -> int:
            return self.count

    async def scenario(app: VirtualApp) -> None:
        await send(ref(Fragile, "f").add())
        await asyncio.sleep(60)
        [letter] = await listed(app.dead_letters())
        broken.clear()
        faults.next(Fault.MESSAGE_DOUBLED)
        await app.retry(letter.id)
        await asyncio.sleep(60)
        assert await ref(Fragile, "f").get() == 1
        assert faults.happened[Fault.MESSAGE_DOUBLED] == 1

    run(scenario, faults=faults)


def test_a_delayed_message_comes_later() -> None:
    faults = Faults()

    async def scenario(app: VirtualApp) -> None:
        faults.next(Fault.MESSAGE_DELAYED)
        await send(ref(Log, "a").write("late"))
        await asyncio.sleep(0.001)
        assert not await app.exists(ref(Log, "a"))
        await asyncio.sleep(60)
        assert await ref(Log, "a").read() == ["late"]

    run(scenario, faults=faults)


def test_a_delayed_message_is_overtaken_by_none_to_the_same_object_and_by_no_call_of_its_sender() -> None:
    faults = Faults()

    async def scenario(app: VirtualApp) -> None:
        faults.next(Fault.MESSAGE_DELAYED)
        send(ref(Log, "a").write("1"))
        send(ref(Log, "a").write("2"))
        assert await ref(Log, "a").write("3") == 3
        assert await ref(Log, "a").read() == ["1", "2", "3"]
        assert asyncio.get_running_loop().time() > 0.0

    run(scenario, faults=faults)


def test_messages_to_different_objects_overtake_each_other() -> None:
    faults = Faults()
    order: list[str] = []

    @object_type
    class Witness:
        key: str
        value: int = 0

        async def see(self) -> None:
            order.append(self.key)
            self.value += 1

    @object_type
    class Caller:
        async def shout(self) -> None:
            for name in "abc":
                send(ref(Witness, name).see())

    async def scenario(app: VirtualApp) -> None:
        faults.next(Fault.MESSAGE_REORDERED)
        await ref(Caller, "x").shout()
        await asyncio.sleep(1)

    run(scenario, faults=faults)
    assert order == ["b", "a", "c"]


@pytest.mark.parametrize("seed", range(20))
def test_all_of_them_by_chance_leave_what_a_run_without_leaves(seed: int) -> None:
    names = ["a", "b", "c"]

    async def scenario(app: VirtualApp) -> list[list[str]]:
        for n in range(10):
            writer = ref(Log, names[n % 3])
            await send(writer.tell(names[(n + 1) % 3], f"{n}"))
            await writer.tell_all(names, f"all {n}")
            await asyncio.gather(*(ref(Log, name).write(f"call {n}") for name in names))
            await asyncio.sleep(60)
        while letters := await listed(app.dead_letters()):  # of messages during which the disk has failed three times
            await app.retry(letters[0].id)
            await asyncio.sleep(60)
        return [sorted(await ref(Log, name).read()) for name in names]

    faults = Faults(seed, dict.fromkeys(Fault, 0.1))
    assert run(scenario, seed=seed, faults=faults) == run(scenario)
    assert sum(faults.happened.values()) > 10


def test_a_request_that_is_made_again_and_runs_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = Faults()

    async def scenario(app: VirtualApp) -> None:
        faults.next(Fault.REQUEST_DOUBLED)
        await ref(Log, "a").write("1")

    monkeypatch.setattr(Keyed, "invoke", lambda self, work: self._start(work))
    with pytest.raises(AssertionError, match=r"was answered with 1, and the same request again with 2"):
        run(scenario, faults=faults)


def test_the_same_seed_gives_the_same_faults() -> None:
    def happened(seed: int) -> dict[Fault, int]:
        faults = Faults(seed, dict.fromkeys(Fault, 0.2))

        async def scenario(app: VirtualApp) -> None:
            for n in range(20):
                await send(ref(Log, "a").tell("b", f"{n}"))
                await asyncio.sleep(10)

        run(scenario, faults=faults)
        return dict(faults.happened)

    assert happened(1) == happened(1)
    assert happened(1) != happened(2)


def test_a_chance_that_could_never_end_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"from 0 to 0\.5"):
        Faults(chances={Fault.WRITE_FAILS: 1.0})
