"""One atomic unit of work of one partition: consume messages, change state, record, send (CReSt, SSMS §2 and §3.1)."""

import msgspec

from darq.codec import PARTITION_BYTES_MAX
from darq.errors import InvalidArgument
from darq.limits import Limits
from darq.overlay import Overlay


class Answer(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The outcome of one request of one partition."""

    request: bytes
    partition: bytes
    outcome: bytes


class Message:
    """A message on its way to a partition of this store.

    lsn: its number in the store, given when the step that sends it commits. stored: whether it has a row on disk.
    Subclasses may carry decoded content and make the payload only when `payload()` is called.
    """

    __slots__ = ("body", "lsn", "partition", "stored")

    def __init__(self, partition: bytes, body: bytes = b"", lsn: int = 0, stored: bool = False) -> None:
        self.partition = partition
        self.body = body
        self.lsn = lsn
        self.stored = stored

    def payload(self) -> bytes:
        """The content as bytes."""
        return self.body


class Step:
    """What one atomic unit of work consumes, changes, records and sends. Nothing happens before `Log.commit`.

    prefix: the state prefix of its partition (`keys.partition_key(STATE, partition)`); overlay: its state changes;
    rows: other rows it sets or drops; drops: ranges of them, dropped before `rows` are set;
    outgoing: (receiving store, message) pairs that leave this store;
    note: a short record for people, kept in the store's bounded history. answers: outcomes that it gives.
    """

    __slots__ = (
        "answers",
        "consumed",
        "drops",
        "note",
        "outgoing",
        "overlay",
        "partition",
        "prefix",
        "records",
        "rows",
        "sends",
    )

    def __init__(self, partition: bytes, prefix: bytes, overlay: Overlay | None = None) -> None:
        self.partition = partition
        self.prefix = prefix
        self.overlay = overlay
        self.consumed: list[Message] | None = None
        self.sends: list[Message] | None = None
        self.outgoing: list[tuple[bytes, Message]] | None = None
        self.records: list[bytes] | None = None
        self.rows: dict[bytes, bytes | None] | None = None
        self.drops: list[tuple[bytes, bytes]] | None = None
        self.note: tuple[object, ...] | None = None
        self.answers: list[Answer] | None = None

    def put(self, subkey: bytes, value: bytes) -> None:
        """Set one value of the partition's state."""
        self._layer().writes[subkey] = value

    def delete(self, subkey: bytes) -> None:
        """Drop one value of the partition's state."""
        self._layer().writes[subkey] = None

    def consume(self, message: Message) -> None:
        """Take a message off the inbox with this step."""
        if self.consumed is None:
            self.consumed = [message]
        else:
            self.consumed.append(message)

    def send(self, message: Message) -> None:
        """Send to a partition of this store. A message is sent once: for a second one, make another."""
        if len(message.partition) > PARTITION_BYTES_MAX:
            raise partition_too_long(message.partition)
        if self.sends is None:
            self.sends = [message]
        else:
            self.sends.append(message)

    def send_to_store(self, store: bytes, message: Message) -> None:
        """Send to a partition of another store, through the outbox."""
        if len(message.partition) > PARTITION_BYTES_MAX:
            raise partition_too_long(message.partition)
        if self.outgoing is None:
            self.outgoing = []
        self.outgoing.append((store, message))

    def record(self, payload: bytes) -> None:
        """Add a self-message that `Log.replay` gives back on recovery."""
        if self.records is None:
            self.records = [payload]
        else:
            self.records.append(payload)

    def set_row(self, key: bytes, value: bytes | None) -> None:
        """Set or drop a row outside of the partition's state."""
        if self.rows is None:
            self.rows = {}
        self.rows[key] = value

    def drop_rows(self, begin: bytes, end: bytes) -> None:
        """Drop the rows of [begin, end) outside of the partition's state."""
        if self.drops is None:
            self.drops = []
        self.drops.append((begin, end))

    def size(self) -> int:
        """About the bytes that it adds to its group; content that subclasses of Message encode later is not counted."""
        size = 0
        if self.overlay is not None:
            for value in self.overlay.writes.values():
                if value is not None:
                    size += len(value)
        if self.sends is not None:
            for message in self.sends:
                size += len(message.body)
        if self.records is not None:
            for payload in self.records:
                size += len(payload)
        if self.outgoing is not None:
            for _, message in self.outgoing:
                size += len(message.body)
        if self.rows is not None:
            for value in self.rows.values():
                if value is not None:
                    size += len(value)
        return size

    def check(self, limits: Limits) -> None:
        """Raise InvalidArgument if a value, a message or the step as a whole is over its limit."""
        writes = self.overlay.writes if self.overlay is not None else {}
        for subkey, value in writes.items():
            _check("a subkey", len(subkey), PARTITION_BYTES_MAX)
            _check("a value", len(value or b""), limits.value_bytes_max)
        messages = [*(self.sends or ()), *(message for _, message in self.outgoing or ())]
        for message in messages:
            _check("a message", len(message.payload()), limits.message_bytes_max)
        for payload in self.records or ():
            _check("a record", len(payload), limits.message_bytes_max)
        _check("the step", self.size(), limits.step_bytes_max)

    def _layer(self) -> Overlay:
        if self.overlay is None:
            self.overlay = Overlay()
        return self.overlay


def partition_too_long(name: bytes) -> InvalidArgument:
    """The error for a partition's name that does not fit a message row."""
    return InvalidArgument(f"a partition's name has {len(name)} bytes, and the limit is {PARTITION_BYTES_MAX}")


def _check(what: str, size: int, size_max: int) -> None:
    if size > size_max:
        raise InvalidArgument(f"{what} has {size} bytes, and the limit is {size_max}")
