"""Gap-free, exactly-once delivery between stores: one dense sequence per pair, acknowledged cumulatively.

    sender: outbox rows -> batch (first sequence, messages) --transport--> receiver: mark, inbox -> durable -> ack

A batch may be lost, doubled, delayed, or cut elsewhere when it is sent again: the receiver takes exactly the messages
that follow its mark, whatever borders they come in (DARQ's own code loses and doubles there).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from darq import keys
from darq.codec import decode_message
from darq.errors import AutomataError, StoreDamaged
from darq.gate import Gate
from darq.log import Log
from darq.step import Message, Step

BACKOFF_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Transport(Protocol):
    """Carries batches to other stores. It may lose, delay, double or reorder; it never alters.

    Receivers are found by their identity, so a batch reaches the store that it was numbered for or none.
    """

    async def deliver(self, receiver: bytes, sender: bytes, first: int, messages: Sequence[bytes]) -> int:
        """Hand a batch over and return the receiver's acknowledgement.

        Raises OSError, or the receiver's own error (StorageFull, OutcomeUnknown), when that is not to be had: the
        batch is sent again later.
        """


class Receiver:
    """The receiving end of all lanes into one log."""

    def __init__(self, log: Log, touched: Callable[[], None]) -> None:
        self._log = log
        self._touched = touched
        self._marks: dict[bytes, int] = {}

    def accept(self, sender: bytes, first: int, messages: Sequence[bytes]) -> tuple[int, int]:
        """Take what follows the mark; (mark, group that it is durable with). A gap or a repeat is not taken."""
        mark = self._mark(sender)
        fresh = messages[mark + 1 - first :] if first <= mark + 1 else ()
        if fresh:
            self._log.admit()
            mark += len(fresh)
            step = Step(b"", b"")
            step.set_row(keys.LANE + sender, mark.to_bytes(8, "big"))
            for data in fresh:
                step.send(Message(*decode_message(data)))
            self._log.commit(step)
            self._marks[sender] = mark
            self._touched()
        return mark, self._log.group.number if self._log.group.dirty else self._log.group.number - 1

    async def deliver(self, sender: bytes, first: int, messages: Sequence[bytes]) -> int:
        """Take a batch, and answer with the mark once everything up to it is durable here."""
        mark, group = self.accept(sender, first, messages)
        await durable(self._log.gate, group)
        return mark

    def _mark(self, sender: bytes) -> int:
        if sender not in self._marks:
            data = self._log.row(keys.LANE + sender)
            self._marks[sender] = int.from_bytes(data, "big") if data else 0
        return self._marks[sender]


class Sender:
    """The sending ends of all lanes out of one log: one batch in flight for each receiver.

    broken: the lanes that stopped for good, with the reason, because going on would lose messages.
    """

    def __init__(self, log: Log, transport: Transport, touched: Callable[[], None]) -> None:
        self._log = log
        self._transport = transport
        self._touched = touched
        self.broken: dict[bytes, StoreDamaged] = {}
        self._running: dict[bytes, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Send what waits, and whatever becomes sendable from now on."""
        self._log.outbox.on_sendable = self._wake
        for receiver in self._log.outbox.receivers():
            self._wake(receiver)

    async def stop(self) -> None:
        """Stop sending; what was not acknowledged waits in the outbox."""
        self._log.outbox.on_sendable = _nobody
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _wake(self, receiver: bytes) -> None:
        if receiver not in self._running and receiver not in self.broken:
            self._running[receiver] = asyncio.get_running_loop().create_task(self._drain(receiver))

    async def _drain(self, receiver: bytes) -> None:
        log, failures = self._log, 0
        try:
            while log.outbox.waits(receiver) and log.gate.failure is None:
                if await self._send(receiver):
                    failures = 0
                    continue
                await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
                failures += 1
        except StoreDamaged as error:
            self.broken[receiver] = error
            # nothing fails at once, but whoever awaits an answer by this way waits for ever: somebody has to be told
            context = {"message": f"no message leaves for store {receiver.hex()} any more", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        finally:
            del self._running[receiver]

    async def _send(self, receiver: bytes) -> bool:
        """Send one batch; whether the receiver took anything. StoreDamaged when the lane cannot go on."""
        log = self._log
        first, batch = log.outbox.batch(receiver, log.limits.lane_batch_messages_max, log.limits.lane_batch_bytes_max)
        try:
            mark = await self._transport.deliver(receiver, log.store.identity(), first, batch)
        except (OSError, AutomataError):
            return False  # the receiver's trouble, or the way's: what waits is stored, and goes again
        if log.gate.failure is not None:
            return False
        log.outbox.acknowledged(receiver, mark, log.group)
        self._touched()
        return mark >= first


def _nobody(receiver: bytes) -> None:
    """The lanes are stopped: what becomes sendable waits for the next start."""


async def durable(gate: Gate, group: int) -> None:
    """Wait until `group` is durable; raises what poisoned the store if it never will be."""
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settled(error: BaseException | None) -> None:
        if waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)

    gate.release(group, settled)
    await waiting
