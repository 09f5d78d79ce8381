"""The fields of one object in memory, over its rows in the log: loaded on first touch, written only when changed.

Row layout below a partition's state prefix (see docs/FORMAT.md):

    subkey = field-name 00 tag rest
    tag    = 01 value field | 02 size of a collection | 03 one entry of a collection, rest = its encoded key

Changes gather in an overlay that belongs to one step. `flush` completes it, `rollback` drops it.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Protocol

from automata.errors import InvalidArgument, ReadOnlyError, StateError
from automata.partitions import address_of
from automata.values.value_type import ValueType
from darq import keys, overlay
from darq.memory import MemoryStore
from darq.overlay import Absent, Overlay

VALUE, SIZE, ENTRY = b"\x00\x01", b"\x00\x02", b"\x00\x03"

Bounds = tuple[bytes, bytes]

# Equal values of other types may differ in what is stored: 0.0 and -0.0, Decimal("1.0") and Decimal("1.00"), one
# instant in two time zones.
_EQUAL_IS_SAME = frozenset({int, str, bytes, bool})


class Mode(IntEnum):
    """What the code that holds the object may do with it now."""

    IDLE = 0
    READ = 1
    WRITE = 2


IDLE, READ, WRITE = Mode  # bound once: looking up a member of an enum costs ten times as much as a name


class Scalar(Protocol):
    """What is needed of a value field whose assignment is encoded when the step ends."""

    kind: ValueType
    subkey: bytes


class Reader(Protocol):
    """Committed state, as `darq.log.Log` gives it."""

    def read(self, prefix: bytes, subkey: bytes, /) -> bytes | None:
        """One value."""

    def scan(
        self, prefix: bytes, bounds: Bounds, limit: int, reverse: bool = False, over: Sequence[Overlay] = ()
    ) -> list[tuple[bytes, bytes]]:
        """Rows in order, under the given layers."""


class Live:
    """A mutable value handed out to a method: what it was when encoded tells at the end whether it was changed."""

    __slots__ = ("encoded", "kind", "name", "value")

    def __init__(self, name: str, kind: ValueType, value: object, encoded: bytes | None) -> None:
        self.name = name
        self.kind = kind
        self.value = value
        self.encoded = encoded

    def encode_changed(self) -> bytes | None:
        """Its new encoding, or None if it is as it was. Raises InvalidArgument if it no longer fits its type."""
        encoded = encode_field(self.name, self.kind, self.value)
        if encoded == self.encoded or (self.encoded is not None and encoded == self._read_again(self.encoded)):
            return None
        return encoded

    def reads_alike(self) -> bool:
        """Whether its bytes read as the same value each time: an added field may have a default that is random."""
        stored = self.encoded
        return stored is None or self._read_again(stored) == self._read_again(stored)

    def _read_again(self, stored: bytes) -> bytes:
        """What an untouched copy is written as: more than is stored, if its class has got fields since."""
        return encode_field(self.name, self.kind, self.kind.decode(stored))


class ObjectState:
    """Loaded fields and pending changes of one instance.

    values: the instance's own `__dict__`, where immutable field values are kept between steps. base: for a snapshot,
    what the rows were when it was taken. applying, records: for automata (`VolatileState`).
    """

    applying = False
    records: list[bytes] | None = None

    __slots__ = (
        "base",
        "changes",
        "dirty",
        "largest_bytes",
        "live",
        "log",
        "mode",
        "overlay",
        "prefix",
        "sizes",
        "sizes_dirty",
        "values",
        "written_bytes",
    )

    def __init__(self, log: Reader, prefix: bytes, values: dict[str, object]) -> None:
        self.log = log
        self.prefix = prefix
        self.values = values
        self.mode = IDLE
        self.overlay: Overlay | None = None
        self.base: Overlay | None = None
        self.dirty: dict[str, tuple[Scalar, object]] = {}
        self.live: dict[bytes, Live] = {}
        self.sizes: dict[bytes, tuple[int, ...]] = {}
        self.sizes_dirty: dict[bytes, Callable[[tuple[int, ...]], bytes]] = {}
        self.changes = 0
        self.written_bytes = 0
        self.largest_bytes = 0

    # rows

    def read(self, subkey: bytes) -> bytes | None:
        """One row, with this step's changes."""
        for layer in (self.overlay, self.base):
            if layer is not None:
                value = layer.find(subkey)
                if not isinstance(value, Absent):
                    return value
        return self.log.read(self.prefix, subkey)

    def scan(self, bounds: Bounds, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Rows of [begin, end) in order, with this step's changes."""
        layers = tuple(layer for layer in (self.overlay, self.base) if layer is not None)
        return self.log.scan(self.prefix, bounds, limit, reverse, layers)

    def put(self, subkey: bytes, data: bytes) -> None:
        """Set one row with this step."""
        self.changes += 1
        overlay = self.overlay
        if overlay is None:
            overlay = self.overlay = Overlay()
        overlay.writes[subkey] = data
        size = len(data)
        self.written_bytes += len(subkey) + size
        self.largest_bytes = max(self.largest_bytes, size)

    def delete(self, subkey: bytes) -> None:
        """Drop one row with this step."""
        self._layer().writes[subkey] = None
        self.live.pop(subkey, None)

    def drop_range(self, bounds: Bounds) -> None:
        """Drop the rows of [begin, end) with this step."""
        self._layer().drop_range(*bounds)
        for subkey in [k for k in self.live if bounds[0] <= k < bounds[1]]:
            del self.live[subkey]

    def clear(self) -> None:
        """Drop all rows of the object with this step, and forget what was loaded."""
        self.drop_range((b"", b"\xff"))
        self.unload()
        self.dirty = {}
        self.live = {}
        self.sizes_dirty = {}

    # changing

    def record(self, event: object) -> None:
        """Refuse: automata record, objects change their fields."""
        raise StateError("record() is for handlers of an @automaton: an object's method changes its fields instead")

    def check_writable(self, what: str) -> None:
        """Raise ReadOnlyError in a readonly method and StateError outside of any."""
        if self.mode is READ:
            raise ReadOnlyError(f"a readonly method must not change {what}: remove @readonly, or the change")
        if self.mode is IDLE:
            raise StateError(f"{what} was changed outside of a method of its object: it would not survive")

    def misfit(self, name: str, what: str) -> StateError:
        """The error for a field whose class was changed since it was stored. what: how the two differ."""
        type_name = address_of(keys.split_partition(self.prefix)[0])[0]
        return StateError(
            f"{type_name}.{name} was declared otherwise when it was stored: {what}. Declare it as before, or add a "
            "field of another name and migrate what is stored"
        )

    def check_no_collection(self, name: str, size_key: bytes) -> None:
        """A value field has no row: raise StateError if a collection is stored under its name."""
        if size_key not in self.sizes:
            if self.read(size_key) is not None:
                raise self.misfit(name, "a collection is stored, and a single value declared")
            self.sizes[size_key] = ()

    def begin(self, mode: Mode) -> None:
        """A part of a method begins."""
        self.mode = mode
        self.changes += 1

    def flush(self) -> Overlay | None:
        """Encode all changes of this part; returns them, or None if there are none. The part is not over yet."""
        for name, (field, old) in self.dirty.items():
            value = self.values[name]
            if value is old or (type(value) is type(old) and type(value) in _EQUAL_IS_SAME and value == old):
                continue
            self.put(field.subkey, field.kind.encode(value))
        if not self.live and not self.sizes_dirty:
            return self.overlay
        for subkey, live in self.live.items():
            changed = live.encode_changed()
            if changed is not None:
                if self.mode is not READ:
                    self.put(subkey, changed)
                elif live.reads_alike():
                    raise ReadOnlyError(f"a readonly method changed {live.name!r} in place")
        for subkey, encode in self.sizes_dirty.items():
            self.put(subkey, encode(self.sizes[subkey]))
        return self.overlay

    def detach(self) -> list[Live]:
        """The mutable values handed out in this part: the method that goes on must not change them any more."""
        for live in self.live.values():
            live.encoded = encode_field(live.name, live.kind, live.value)
        return list(self.live.values())

    def rollback(self) -> None:
        """Undo the changes of this part: assigned values are as they were, or are loaded anew."""
        for name in self.dirty:
            self.values.pop(name, None)
        for subkey in self.sizes_dirty:
            self.sizes.pop(subkey, None)
        if self.overlay is not None and self.overlay.ranges:
            self.unload()  # what was loaded after `clear` is that of the emptied object
        self.settle()

    def end_read(self) -> None:
        """A readonly part is over: forget the mutable values that it was given."""
        self.mode = IDLE
        if self.live:
            self.live = {}

    def unload(self) -> None:
        """Forget loaded values: they may be others by now."""
        values = self.values
        for name in [name for name in values if name != "key" and not name.startswith("_automaton")]:
            del values[name]
        self.sizes = {}
        self.changes += 1

    def preserve(self, coming: Overlay) -> None:
        """For a snapshot: keep what `coming`, about to be committed, will change below it."""
        if self.base is None:
            self.base = Overlay()
        for begin, end in coming.ranges:
            for subkey, data in self.log.scan(self.prefix, (begin, end), 1 << 62):
                self.base.writes.setdefault(subkey, data)
        for subkey in coming.writes:
            if subkey not in self.base.writes:
                self.base.writes[subkey] = self.log.read(self.prefix, subkey)

    def settle(self) -> None:
        """The changes of this part are committed, or undone."""
        self.overlay = None
        self.written_bytes = self.largest_bytes = 0
        if self.dirty:
            self.dirty = {}
        if self.live:
            self.live = {}
        if self.sizes_dirty:
            self.sizes_dirty = {}
        self.changes += 1

    def _layer(self) -> Overlay:
        self.changes += 1
        if self.overlay is None:
            self.overlay = Overlay()
        return self.overlay


def encode_field(name: str, kind: ValueType, value: object) -> bytes:
    """The bytes of one value, after checking that it fits its declared type."""
    try:
        return kind.encode(kind.validate(value))
    except InvalidArgument as error:
        raise InvalidArgument(f"{name}: {error}") from None


class NoLog:
    """The reader of an instance that was made by hand, outside of any app: there is nothing below its changes."""

    def read(self, prefix: bytes, subkey: bytes, /) -> bytes | None:
        """Nothing."""

    def scan(
        self, prefix: bytes, bounds: Bounds, limit: int, reverse: bool = False, over: Sequence[Overlay] = ()
    ) -> list[tuple[bytes, bytes]]:
        """What the layers hold."""
        return overlay.scan(_EMPTY, prefix, over, bounds, limit, reverse)


_EMPTY = MemoryStore()
