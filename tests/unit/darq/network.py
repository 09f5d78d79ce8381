"""A network between stores in one process that loses, doubles, delays, reorders and re-cuts what it carries."""

import asyncio
import random
from collections.abc import Callable, Sequence

from darq import Committer, Limits, Log, MemoryStore, Message, Receiver, Sender
from darq.errors import StoreClosed

TURNS_MAX = 1_000_000


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so; a scenario that hangs fails."""
    for _ in range(TURNS_MAX):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the scenario hangs")


class Node:
    """One store with its lanes: it lives, crashes and lives again on the same disk."""

    def __init__(self, network: "Network", limits: Limits | None = None) -> None:
        self.network = network
        self.store = MemoryStore(network.random)
        self.limits = limits or Limits(lane_batch_messages_max=3)
        self.consumed: list[bytes] = []
        network.nodes[self.store.identity()] = self
        self.alive = False

    def start(self) -> None:
        """Open the log, and begin to send and to receive. What was consumed is the partition's durable state."""
        self.log = Log(self.store, self.limits)
        self.committer = Committer(self.log, asyncio.get_running_loop(), self.run)
        self.receiver = Receiver(self.log, self.committer.touch)
        self.sender = Sender(self.log, self.network, self.committer.touch)
        self.log.inbox.on_ready = self.committer.touch
        self.alive = True
        self.sender.start()
        self.committer.touch()

    def run(self, seconds: float) -> bool:
        """Consume what is in the inbox into the state of the partition `got`."""
        step = self.log.step(b"got")
        while (message := self.log.inbox.next(self.log.group)) is not None:
            step.consume(message)
            step.record(message.payload())
        if step.consumed is not None:
            self.log.commit(step)
        return False

    def got(self) -> list[bytes]:
        """What was consumed, in order."""
        return [payload for _, payload in self.log.replay(b"got")]

    def send(self, receiver: "Node", *payloads: bytes) -> None:
        """Send in one step."""
        step = self.log.step(b"source")
        for payload in payloads:
            step.send_to_store(receiver.store.identity(), Message(b"target", payload))
        self.log.commit(step)
        self.committer.touch()

    async def crash(self) -> None:
        """Lose what was not durable, then live again."""
        self.alive = False
        await self.sender.stop()
        self.committer.stop()
        self.log.gate.fail(StoreClosed("crashed"))
        self.store.crash()
        self.start()

    async def stop(self) -> None:
        """End in good order."""
        await self.sender.stop()
        await self.committer.settle()
        self.committer.stop()
        self.log.close()


class Network:
    """A `Transport`. chaos: how often, of 1, each bad thing happens to a batch."""

    def __init__(self, seed: int, chaos: float) -> None:
        self.random = random.Random(seed)
        self.chaos = chaos
        self.nodes: dict[bytes, Node] = {}
        self.late: set[asyncio.Task[None]] = set()

    async def deliver(self, receiver: bytes, sender: bytes, first: int, messages: Sequence[bytes]) -> int:
        """Carry a batch and its acknowledgement, or raise OSError."""
        await self._turns()
        if self._unlucky():
            raise OSError("the batch was lost")
        if self._unlucky():
            self._again_later(receiver, sender, first, messages)
        if self._unlucky() and len(messages) > 1:
            messages = messages[: self.random.randint(1, len(messages) - 1)]
        mark = await self._hand_over(receiver, sender, first, messages)
        await self._turns()
        if self._unlucky():
            raise OSError("the acknowledgement was lost")
        return mark

    async def quiet(self) -> None:
        """Wait until no copy is on its way."""
        while self.late:
            await asyncio.gather(*self.late)

    async def _hand_over(self, receiver: bytes, sender: bytes, first: int, messages: Sequence[bytes]) -> int:
        node = self.nodes[receiver]
        if not node.alive:
            raise OSError("nobody is there")
        return await node.receiver.deliver(sender, first, messages)

    def _again_later(self, receiver: bytes, sender: bytes, first: int, messages: Sequence[bytes]) -> None:
        """A copy with other borders arrives once more, some time later."""
        cut = self.random.randint(0, len(messages) - 1)

        async def repeat() -> None:
            for _ in range(self.random.randint(1, 30)):
                await asyncio.sleep(0)
            try:
                await self._hand_over(receiver, sender, first + cut, messages[cut:])
            except (OSError, StoreClosed):
                return

        task = asyncio.get_running_loop().create_task(repeat())
        self.late.add(task)
        task.add_done_callback(self.late.discard)

    async def _turns(self) -> None:
        for _ in range(self.random.randint(0, 3)):
            await asyncio.sleep(0)

    def _unlucky(self) -> bool:
        return self.random.random() < self.chaos
