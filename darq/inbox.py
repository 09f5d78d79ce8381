"""Messages to consume, in order of their LSN: a window in memory over a queue on disk, read from stored cursors.

The queue is never searched from its first key: RocksDB would step over the tombstones of all that it ever carried.
"""

from collections import OrderedDict, deque
from collections.abc import Callable

from darq import keys
from darq.codec import decode_message
from darq.errors import InvalidStep
from darq.group import Group
from darq.step import Message
from darq.store import Store

_LOAD_BYTES = 4 << 20  # about what is read from disk at a time; the first time, nobody knows how large messages are
_FIRST_LOAD_ROWS = 64


class Inbox:
    """The pending messages of one store.

    ready: the window, next message first. Beyond `window_max` messages the rest stays on disk only until the window
    has been worked off.
    """

    def __init__(self, store: Store, cursor: int, next_lsn: int, window_max: int) -> None:
        self.ready: deque[Message] = deque()
        self.on_ready: Callable[[], None] = _nothing
        self._store = store
        self._window_max = window_max
        self._pending: OrderedDict[int, Message] = OrderedDict()  # stored rows that were read or kept, not consumed
        self._spilled = cursor < next_lsn
        self._read_from = cursor
        self._page_rows = max(1, min(_FIRST_LOAD_ROWS, window_max // 4))

    def add(self, message: Message, group: Group) -> None:
        """A message born in the open group."""
        group.born[message.lsn] = message
        if self._spilled or len(self.ready) >= self._window_max:
            if not self._spilled:
                self._spilled, self._read_from = True, message.lsn
        else:
            self.ready.append(message)
        self.on_ready()

    def next(self, group: Group) -> Message | None:
        """The next message to deliver, or None. It stays pending until a step consumes it."""
        while self._spilled and not self.ready:
            self._load(group)
        return self.ready.popleft() if self.ready else None

    def __bool__(self) -> bool:
        return bool(self.ready) or self._spilled

    @property
    def spilled(self) -> bool:
        """Whether more messages wait on disk than the window holds."""
        return self._spilled

    def check(self, message: Message, group: Group) -> None:
        """Raise InvalidStep unless `message` is pending."""
        if message.lsn not in (self._pending if message.stored else group.born):
            raise InvalidStep(f"message {message.lsn} is not pending: it was consumed before, or never sent")

    def consume(self, message: Message, group: Group) -> None:
        """A committed step has consumed `message`, which `check` has let pass."""
        if message.stored:
            del self._pending[message.lsn]
            group.rows[keys.numbered(keys.INBOX, message.lsn)] = None
        else:
            del group.born[message.lsn]

    def sealed(self, group: Group) -> None:
        """The group is written: what was born in it and is still pending has rows now."""
        for lsn, message in group.born.items():
            message.stored = True
            if not self._spilled or lsn < self._read_from:
                self._pending[lsn] = message

    def cursor(self, next_lsn: int, group: Group) -> int:
        """No row lies below this LSN."""
        lowest = self._read_from if self._spilled else next_lsn
        if group.born:
            lowest = min(lowest, next(iter(group.born)))
        return min(lowest, next(iter(self._pending))) if self._pending else lowest

    def pending_in_memory(self) -> int:
        """How many messages the window holds."""
        return len(self.ready)

    def _load(self, group: Group) -> None:
        begin = keys.numbered(keys.INBOX, self._read_from)
        rows = self._store.scan(begin, keys.after(keys.INBOX), self._page_rows)
        size = 0
        for key, data in rows:
            size += len(data)
            partition, payload = decode_message(data)
            message = Message(partition, payload, keys.number_of(key), stored=True)
            if keys.numbered(keys.INBOX, message.lsn) in group.rows:
                continue
            self._pending[message.lsn] = message
            self.ready.append(message)
        if rows:
            self._read_from = keys.number_of(rows[-1][0]) + 1
            fitting = _LOAD_BYTES * len(rows) // max(1, size)
            self._page_rows = max(1, min(fitting, self._window_max // 4))
            return
        self._spilled = False
        self.ready.extend(message for lsn, message in group.born.items() if lsn >= self._read_from)


def _nothing() -> None:
    """Nobody waits for messages yet."""
