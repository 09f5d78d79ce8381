"""Messages to consume, in order of their LSN: a window in memory over a queue on disk, read from stored cursors.

The queue is never searched from its first key: RocksDB would step over the tombstones of all that it ever carried.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from darq import keys
from darq.codec import decode_message
from darq.errors import InvalidStep
from darq.group import Group
from darq.step import Message
from darq.store import Store

_LOAD_BYTES = 4 << 20  # about what is read from disk at a time; the first time, nobody knows how large messages are
_FIRST_LOAD_ROWS = 64
UNREAD = b""  # no partition's name


class Inbox:
    """The pending messages of one store.

    waiting: the number of the last message before each partition for which one was sent in this life, or was read;
    kept only after `watch`, for owners who order calls behind messages. UNREAD stands for what earlier lives have left
    and nobody has read yet.
    brought: the number of the last message of each partition that was recalled, or will be, because it comes before
    whatever is asked of the partition from now on; for those owners too.
    ready: the window, next message first. Beyond `window_max` messages the rest stays on disk only until the window
    has been worked off.
    """

    def __init__(self, store: Store, cursor: int, next_lsn: int, window_max: int) -> None:
        self.ready: deque[Message] = deque()
        self.on_ready: Callable[[], None] = _nothing
        self._store = store
        self._window_max = window_max
        self._pending: dict[int, Message] = {}  # stored rows that were read or kept, not consumed; by LSN, ascending
        self._spilled = cursor < next_lsn
        self._read_from = cursor
        self._left_up_to = next_lsn - 1  # what earlier lives have left ends here
        self._page_rows = max(1, min(_FIRST_LOAD_ROWS, window_max // 4))
        self.waiting: dict[bytes, int] = {}
        self.brought: dict[bytes, int] = {}
        self._watched = False
        self._behind = 0  # messages of this life that lie behind the window
        self._recalled: dict[int, bytes] = {}  # rows elsewhere in the store that stand for messages, by number

    def add(self, messages: Sequence[Message], lsn: int, group: Group) -> int:
        """Number messages born in the open group from `lsn` on. Returns the next number."""
        waiting = self.waiting if self._watched else None
        for message in messages:
            message.stored = False
            message.lsn = lsn
            group.born[lsn] = message
            if waiting is not None:
                waiting[message.partition] = lsn
            if not self._spilled:
                if len(self.ready) < self._window_max:
                    self.ready.append(message)
                else:
                    self._spilled, self._read_from, self._behind = True, lsn, 1
            else:
                self._behind += 1
            lsn += 1
        self.on_ready()
        return lsn

    def watch(self) -> None:
        """Keep `waiting` from now on."""
        self._watched = True
        if self._spilled:
            self.waiting[UNREAD] = self._left_up_to

    def unread(self, lsn: int) -> bool:
        """Whether earlier lives have left messages up to this number that were not read yet, so for anybody."""
        return UNREAD in self.waiting and self._read_from <= lsn

    def next(self, group: Group) -> Message | None:
        """The next message to deliver, or None. It stays pending until a step consumes it."""
        while self._spilled and not self.ready:
            self._load(group)
        if not self.ready:
            return None
        message = self.ready.popleft()
        if self.waiting and self.waiting.get(message.partition) == message.lsn:
            del self.waiting[message.partition]
        if self.brought and self.brought.get(message.partition) == message.lsn:
            del self.brought[message.partition]
        return message

    def put_back(self, message: Message) -> None:
        """A message that was taken with `next` cannot be delivered now: it is the next one again."""
        self.ready.appendleft(message)
        if self._watched:
            self.waiting.setdefault(message.partition, message.lsn)

    def recall(self, message: Message, row: bytes, first: bool = False) -> None:
        """Take a message that has a row elsewhere in the store into the window; the step that consumes it drops `row`.

        So it is one row under one number for as long as it is tried, however often that is. first: it comes before
        all others; else behind those in the window.
        """
        self.claim(message, row)
        if first:
            self.ready.appendleft(message)
        else:
            self.ready.append(message)
        self.on_ready()

    def claim(self, message: Message, row: bytes) -> None:
        """As `recall`, for an owner who delivers the message without the window."""
        message.stored = True
        self._recalled[message.lsn] = row

    def take(self, partition: bytes) -> list[Message]:
        """Those of one partition in the window, in order, which are not delivered: a step consumes them otherwise."""
        self.brought.pop(partition, None)
        if partition not in self.waiting and not self._recalled and self._watched:
            return []
        taken = [message for message in self.ready if message.partition == partition]
        if taken:
            left = [message for message in self.ready if message.partition != partition]
            self.ready.clear()
            self.ready.extend(left)
            if self.waiting.get(partition) == taken[-1].lsn:
                del self.waiting[partition]
        return taken

    def recalled(self, lsn: int) -> bytes | None:
        """The row of a message that was recalled and not consumed."""
        return self._recalled.get(lsn)

    def dismiss(self, message: Message) -> None:
        """A recalled message that was taken with `next`, or claimed, stays in its row, to be recalled another time."""
        del self._recalled[message.lsn]

    def __bool__(self) -> bool:
        return bool(self.ready) or self._spilled

    def consume(self, messages: Sequence[Message], group: Group) -> None:
        """A step of the open group consumes these. Raises InvalidStep, and changes nothing, unless all are pending."""
        if len(messages) > 1:
            self._check(messages, group)
        for message in messages:
            lsn = message.lsn
            pending = self._pending if message.stored else group.born
            if pending.pop(lsn, None) is not None:
                if message.stored:
                    group.gone.append(lsn)
            elif message.stored and lsn in self._recalled:
                group.rows[self._recalled.pop(lsn)] = None
            else:
                raise _not_pending(lsn)

    def sealed(self, group: Group) -> None:
        """The group is written: what was born in it and is still pending has rows now."""
        for message in group.born.values():
            message.stored = True
        if not self._spilled:
            self._pending.update(group.born)
            return
        for lsn, message in group.born.items():
            if lsn >= self._read_from:
                break  # this and all behind it are read from disk when their turn comes
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

    def size(self, group: Group) -> int:
        """About how many messages are pending: never much fewer, whatever there is.

        What was read, and what came in this life, is counted, some of the open group twice. For what earlier lives
        have left and nobody has read yet, it is how many numbers were given in between, of messages and of others.
        """
        unread = max(0, self._left_up_to + 1 - self._read_from) if self._spilled else 0
        return len(self._pending) + len(group.born) + self._behind + unread

    def _check(self, messages: Sequence[Message], group: Group) -> None:
        for message in messages:
            known = message.lsn in (self._pending if message.stored else group.born)
            if not known and not (message.stored and message.lsn in self._recalled):
                raise _not_pending(message.lsn)
        if len({message.lsn for message in messages}) < len(messages):
            raise InvalidStep("a step consumes the same message twice")

    def _load(self, group: Group) -> None:
        begin = keys.numbered(keys.INBOX, self._read_from)
        rows = self._store.scan(begin, keys.after(keys.INBOX), self._page_rows)
        size = 0
        for key, data in rows:
            size += len(data)
            partition, payload = decode_message(data)
            message = Message(partition, payload, keys.number_of(key), stored=True)
            self._pending[message.lsn] = message
            self.ready.append(message)
            if message.lsn > self._left_up_to:
                self._behind -= 1
            if self._watched and self.waiting.get(partition, 0) < message.lsn:
                self.waiting[partition] = message.lsn
        if self._watched and (not rows or keys.number_of(rows[-1][0]) >= self._left_up_to):
            self.waiting.pop(UNREAD, None)
        if rows:
            self._read_from = keys.number_of(rows[-1][0]) + 1
            fitting = _LOAD_BYTES * len(rows) // max(1, size)
            self._page_rows = max(1, min(fitting, self._window_max // 4))
            return
        fresh = [message for lsn, message in group.born.items() if lsn >= self._read_from]
        self.ready.extend(islice(fresh, self._window_max))
        self._behind = max(0, len(fresh) - self._window_max)
        self._spilled = len(self.ready) == self._window_max
        if self._spilled:
            self._read_from = self.ready[-1].lsn + 1


def _not_pending(lsn: int) -> InvalidStep:
    return InvalidStep(f"message {lsn} is not pending: it was consumed before, or never sent")


def _nothing() -> None:
    """Nobody waits for messages yet."""
