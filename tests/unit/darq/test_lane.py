"""Messages between stores arrive exactly once and in order, whatever the network and the machines do."""

import asyncio
import os
from collections.abc import Sequence

import pytest

from darq import Limits, Log, MemoryStore, Message, Receiver, Sender, lane
from darq.errors import StorageFull
from tests.unit.darq.network import Network, Node, until

SEEDS = max(12, int(os.environ.get("SIM_EXAMPLES", "0")) // 10)
A, B = b"a" * 16, b"b" * 16


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come with the next turns of the loop, so that tests need no clock."""
    monkeypatch.setattr(lane, "BACKOFF_SECONDS", (0.0,))


def message(number: int) -> bytes:
    return b"\x00\x01t%d" % number


def accept(receiver: Receiver, first: int, *numbers: int, sender: bytes = A) -> int:
    return receiver.accept(sender, first, [message(n) for n in numbers])[0]


def pending(log: Log) -> list[int]:
    numbers = []
    while (found := log.inbox.next(log.group)) is not None:
        numbers.append(int(found.body))
    return numbers


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(Log(MemoryStore()), lambda: None)


def test_a_receiver_takes_what_follows_its_mark_whatever_the_borders(receiver: Receiver) -> None:
    assert accept(receiver, 1, 1, 2, 3) == 3
    assert accept(receiver, 2, 2, 3, 4, 5) == 5
    assert accept(receiver, 1, 1) == 5
    assert accept(receiver, 5, 5, 6) == 6
    assert pending(receiver._log) == [1, 2, 3, 4, 5, 6]


def test_a_receiver_takes_nothing_behind_a_gap(receiver: Receiver) -> None:
    assert accept(receiver, 1, 1) == 1
    assert accept(receiver, 3, 3, 4) == 1
    assert pending(receiver._log) == [1]


def test_lanes_of_different_senders_have_marks_of_their_own(receiver: Receiver) -> None:
    assert accept(receiver, 1, 1, 2) == 2
    assert accept(receiver, 1, 7, sender=B) == 1
    assert pending(receiver._log) == [1, 2, 7]


def test_a_repeat_is_acknowledged_only_with_the_group_that_took_the_first() -> None:
    store = MemoryStore()
    log = Log(store)
    receiver = Receiver(log, lambda: None)
    _, first = receiver.accept(A, 1, [message(1)])
    log.seal()
    mark, again = receiver.accept(A, 1, [message(1)])
    assert (mark, again) == (1, first)
    assert log.gate.durable < again


def test_the_mark_and_what_it_covers_survive_or_are_lost_together() -> None:
    store = MemoryStore()
    log = Log(store)
    accept(Receiver(log, lambda: None), 1, 1, 2)
    log.commit_now()
    accept(Receiver(log, lambda: None), 3, 3)
    log.seal()
    store.crash()
    log = Log(store)
    receiver = Receiver(log, lambda: None)
    assert accept(receiver, 4, 4) == 2
    assert accept(receiver, 1, 1, 2, 3) == 3
    assert pending(log) == [1, 2, 3]


def test_a_full_receiver_takes_nothing_and_keeps_its_mark(receiver: Receiver) -> None:
    store = receiver._log.store
    assert isinstance(store, MemoryStore)
    store.free = 0
    with pytest.raises(StorageFull):
        accept(receiver, 1, 1)
    store.free = 1 << 40
    receiver._log._full = False
    assert accept(receiver, 1, 1) == 1


async def exchange(seed: int, chaos: float, crashes: bool, limits: Limits) -> None:
    network = Network(seed, chaos)
    nodes = [Node(network, limits) for _ in range(3)]
    for node in nodes:
        node.start()
    sent: dict[tuple[Node, Node], int] = {}
    for _ in range(25):
        source, target = network.random.sample(nodes, 2)
        first = sent.get((source, target), 0)
        count = network.random.randint(1, 5)
        source.send(
            target, *(b"%d>%d:%d" % (nodes.index(source), nodes.index(target), first + i) for i in range(count))
        )
        await source.committer.settle()  # promised from here on
        sent[source, target] = first + count
        for _ in range(network.random.randint(0, 8)):
            await asyncio.sleep(0)
        if crashes and network.random.random() < 0.5:
            await network.random.choice(nodes).crash()
    await until(lambda: not any(node.log.outbox.receivers() for node in nodes))
    await network.quiet()
    for node in nodes:
        await node.committer.settle()
        assert node.sender.broken == {}
    for (source, target), count in sent.items():
        lane_name = b"%d>%d:" % (nodes.index(source), nodes.index(target))
        arrived = [payload for payload in target.got() if payload.startswith(lane_name)]
        assert arrived == [lane_name + b"%d" % n for n in range(count)]
    for node in nodes:
        await node.stop()


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize("flush_seconds_max", [1.0, -1.0], ids=["inline", "threaded"])
def test_each_message_arrives_once_and_in_order(seed: int, crashes: bool, flush_seconds_max: float) -> None:
    limits = Limits(lane_batch_messages_max=3, inline_flush_seconds_max=flush_seconds_max, inbox_window_messages_max=4)
    asyncio.run(exchange(seed, 0.2, crashes, limits))


class Points(Network):
    """Crashes one end at a given point of the way of the first batch."""

    def __init__(self, point: str) -> None:
        super().__init__(0, 0.0)
        self.point = point

    async def deliver(self, receiver: bytes, sender: bytes, first: int, messages: Sequence[bytes]) -> int:
        point, self.point = self.point, ""
        source, target = self.nodes[sender], self.nodes[receiver]
        if point == "receiver before it takes the batch":
            await target.crash()
        if point == "receiver after it takes the batch":
            target.receiver.accept(sender, first, messages)
            await target.crash()
        if point == "receiver after it wrote the batch":
            target.receiver.accept(sender, first, messages)
            target.log.seal()
            await target.crash()
        mark = await target.receiver.deliver(sender, first, messages)
        if point == "receiver after it acknowledged":
            await target.crash()
        if point == "sender before it hears":
            self.lost = asyncio.get_running_loop().create_task(source.crash())
            await asyncio.Event().wait()  # this call dies with its sender
        return mark


@pytest.mark.parametrize(
    "point",
    [
        "receiver before it takes the batch",
        "receiver after it takes the batch",
        "receiver after it wrote the batch",
        "receiver after it acknowledged",
        "sender before it hears",
        "sender after it staged the trimming",
        "sender after it wrote the trimming",
        "receiver after its sender trimmed",
    ],
)
def test_a_crash_at_each_point_of_the_way_loses_and_doubles_nothing(point: str) -> None:
    async def scenario() -> None:
        network = Points(point)
        source, target = Node(network), Node(network)
        source.start()
        target.start()
        source.send(target, b"1", b"2", b"3", b"4")
        await source.committer.settle()
        if point.startswith("sender after"):
            await until(lambda: source.log.outbox._first.get(target.store.identity(), 1) > 1)
            if "wrote" in point:
                source.log.seal()
            await source.crash()
        await until(lambda: not source.log.outbox.receivers())
        await source.committer.settle()
        if point == "receiver after its sender trimmed":
            await target.crash()
        source.send(target, b"5")
        await until(lambda: b"5" in target.got())
        assert target.got() == [b"1", b"2", b"3", b"4", b"5"]
        await source.stop()
        await target.stop()

    asyncio.run(scenario())


class Answers:
    """A transport that answers as told."""

    def __init__(self, mark: int) -> None:
        self.mark = mark

    async def deliver(self, receiver: bytes, sender: bytes, first: int, messages: Sequence[bytes]) -> int:
        return self.mark


@pytest.mark.parametrize("mark", [0, 9])
def test_a_receiver_that_went_back_in_time_or_knows_the_future_stops_the_lane(mark: int) -> None:
    async def scenario() -> None:
        log = Log(MemoryStore())
        step = log.step(b"source")
        for _ in range(3):
            step.send_to_store(B, Message(b"t", b"m"))
        log.commit(step)
        log.commit_now()
        log.outbox.acknowledged(B, 2, log.group)
        log.commit_now()
        sender, told = Sender(log, Answers(mark), lambda: None), []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
        sender.start()
        await until(lambda: B in sender.broken)
        assert told == [sender.broken[B]]
        assert f"acknowledges message {mark} of a lane that holds 3 to 3" in str(sender.broken[B])
        await sender.stop()

    asyncio.run(scenario())
