"""Messages of types that nothing here defines (or whose annotations cannot be resolved yet), until something does.

They come before all later messages of their type: those are parked behind them, or wait until they were handed over,
so that what one object has sent to another keeps its order.
"""

from __future__ import annotations

from automata.parking import Parking, as_message, row_key
from automata.partitions import address_of
from darq import keys
from darq.codec import Cause
from darq.inbox import Inbox
from darq.step import Message

BROUGHT = b"brought"
"""Why a message is parked that has come with its object, whose type is known: all that comes later is behind it."""


class AbsentTypes:
    """Which types have messages parked, and those messages on their way back into the window, page by page.

    A message goes back as it is, in its row, and the step that consumes it drops the row: a crash changes no order.

    waiting: how many messages were not handed over, by type; window: the type of those in the window, by number.
    """

    def __init__(self, parking: Parking, inbox: Inbox) -> None:
        self._parking = parking
        self._inbox = inbox
        self.waiting: dict[str, int] = {}
        self.window: dict[int, str] = {}
        self._next: dict[str, int] = {}  # types that are back: the number of the first row not looked at yet

    def load(self) -> tuple[list[str], dict[bytes, int]]:
        """Count what earlier lives have parked.

        Returns the types that have something, and the last message that each object has brought along.
        """
        brought: dict[bytes, int] = {}
        for key, parked in self._parking.rows(Cause.UNKNOWN_TYPE):
            self.parked(parked.partition)
            if parked.reason == BROUGHT:
                brought[parked.partition] = keys.number_of(key)
        return list(self.waiting), brought

    def parked(self, partition: bytes) -> None:
        """A message to this object was parked."""
        name, _ = address_of(partition)
        self.waiting[name] = self.waiting.get(name, 0) + 1

    def waits(self, name: str) -> bool:
        """Whether messages of this type were not handed over yet."""
        return name in self.waiting

    def before(self, message: Message) -> bool:
        """Whether parked messages of its type come before this one."""
        return (
            bool(self.waiting) and message.lsn not in self.window and address_of(message.partition)[0] in self.waiting
        )

    def left(self, partition: bytes) -> None:
        """A parked message has left the store with its object."""
        self._count_down(address_of(partition)[0])

    def back(self, name: str) -> None:
        """The type is usable: `recall` brings its messages back."""
        self._next.setdefault(name, 0)

    def is_back(self, message: Message) -> bool:
        """Whether the type of a message is usable again, while some of its messages are still parked."""
        return self.returns(address_of(message.partition)[0])

    def returns(self, name: str) -> bool:
        """Whether messages of this type are on their way back into the window."""
        return name in self._next

    def recall(self) -> bool:
        """Bring a page of messages back to the front of the window, once the page before was handed over.

        Returns whether rows were looked at: what is in the window may have changed then.
        """
        if not self._next or self.window:
            return False
        begin = min(self._next.values())
        page, further = self._parking.page(Cause.UNKNOWN_TYPE, begin)
        for key, parked in reversed(page):
            name, _ = address_of(parked.partition)
            number = keys.number_of(key)
            if self._next.get(name, number + 1) <= number and self._inbox.recalled(number) is None:
                self.window[number] = name
                self._inbox.recall(as_message(key, parked), key, first=True)
        if further:
            self._next = {name: max(number, further) for name, number in self._next.items()}
        else:
            self._end()
        return True

    def handed_over(self, message: Message) -> None:
        """A message was handed to its object, or parked for another cause."""
        name = self.window.pop(message.lsn, None)
        if name is not None:
            self._count_down(name)

    def gone_again(self, message: Message) -> bool:
        """The type of a message is not usable. Returns whether its row holds it still, which needs no parking."""
        name = self.window.pop(message.lsn, None)
        if name is None:
            row = self._inbox.recalled(message.lsn)
            if row != row_key(Cause.UNKNOWN_TYPE, message.lsn):
                return False
            self.parked(message.partition)  # it was handed over to the line of its object, and has come no further
            name, _ = address_of(message.partition)
        self._inbox.dismiss(message)
        self._inbox.brought.pop(message.partition, None)
        self._next.pop(name, None)
        return True

    def _end(self) -> None:
        """All rows were looked at: what is in the window is the last of the types that were back."""
        left = list(self.window.values())
        for name in self._next:
            self.waiting[name] = left.count(name) + 1
            self._count_down(name)
        self._next.clear()

    def _count_down(self, name: str) -> None:
        count = self.waiting.pop(name, 0) - 1
        if count > 0:
            self.waiting[name] = count
