"""Objects whose type asks for strict order: one message at a time each, and the others wait behind it.

A message that is being retried keeps its place, and so its number, in the line of its object: what came later waits
until a step has consumed it, or until it is a dead letter. Those behind keep the rows that they have, so a crash
changes no order: the next life finds the one that was tried among the retries, and lets it go first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from automata.work import Reply
from darq.step import Message


class Line:
    """The messages of one object. first: the number of the one whose turn it is; waits: it is tried again later."""

    __slots__ = ("behind", "first", "waits")

    def __init__(self, first: int, waits: bool = False) -> None:
        self.first = first
        self.waits = waits
        self.behind: deque[Message] = deque()


class StrictOrder:
    """The lines of one host.

    ready: messages whose turn has come, which are delivered before those in the inbox's window. held: how many wait
    in lines; beyond held_max no more are taken off the inbox. wake: is called when `ready` has got a message.
    """

    def __init__(self, held_max: int, wake: Callable[[], None]) -> None:
        self.ready: deque[Message] = deque()
        self.held = 0
        self._held_max = held_max
        self._wake = wake
        self._lines: dict[bytes, Line] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    @property
    def full(self) -> bool:
        """Whether as many messages are held as may be."""
        return self.held >= self._held_max

    def begin(self, message: Message) -> None:
        """A message to an object of a strict type is about to be handed over: later ones wait behind it."""
        self._lines.setdefault(message.partition, Line(message.lsn))

    def block(self, partition: bytes, number: int) -> None:
        """An earlier life has left a message that is retried, or a method unfinished: the others wait behind it."""
        self._lines.setdefault(partition, Line(number, waits=True))

    def leads(self, message: Message) -> bool:
        """Whether it is the first of a line."""
        line = self._lines.get(message.partition)
        return line is not None and line.first == message.lsn

    def blocks(self, message: Message) -> bool:
        """Whether another message is before this one in its line."""
        line = self._lines.get(message.partition)
        return line is not None and line.first != message.lsn

    def hold(self, message: Message) -> None:
        """Let a message wait at the end of its line."""
        self._lines[message.partition].behind.append(message)
        self.held += 1

    def tried_again_later(self, message: Message) -> None:
        """The first of a line has failed, and keeps its place."""
        self._lines[message.partition].waits = True

    def keep(self, partition: bytes, number: int) -> None:
        """The first of a line was consumed by a part of its method, which goes on later: the line waits for that.

        number: of the method, as it is unfinished.
        """
        line = self._lines.get(partition)
        if line is not None:
            line.first, line.waits = number, True

    def over(self, partition: bytes, number: int) -> None:
        """An unfinished method has ended, or waits for a person."""
        line = self._lines.get(partition)
        if line is not None and line.first == number:
            line.waits = False
            self._advance(partition, line)

    def dissolve(self, partition: bytes) -> list[Message]:
        """The object leaves this store. Returns the messages of its line, in order, but for one handed over."""
        line = self._lines.pop(partition, None)
        if line is None:
            return []
        self.held -= len(line.behind)
        ready = [message for message in self.ready if message.partition == partition]
        for message in ready:
            self.ready.remove(message)
        return [*ready, *line.behind]

    def due(self, message: Message) -> None:
        """The first of a line is to be tried again now."""
        self._lines[message.partition].waits = False
        self.ready.append(message)
        self._wake()

    def follow(self, message: Message, reply: Reply) -> None:
        """The first of a line was handed over: when it has ended, the next one may go."""
        if isinstance(reply, asyncio.Future):
            reply.add_done_callback(lambda done: self.ended(message))
        else:
            self.ended(message)

    def ended(self, message: Message) -> None:
        """The first of a line was consumed or given up, unless it is tried again later."""
        line = self._lines.get(message.partition)
        if line is None or line.first != message.lsn or line.waits:
            return
        self._advance(message.partition, line)

    def _advance(self, partition: bytes, line: Line) -> None:
        if line.behind:
            following = line.behind.popleft()
            line.first = following.lsn
            self.held -= 1
            self.ready.append(following)
            self._wake()
        else:
            del self._lines[partition]
