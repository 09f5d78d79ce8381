"""What transactions of other stores will change here, if those decide so: rows that outlive this process.

Until the decision nobody uses or reads these objects, also in a later life. docs/FORMAT.md has the rows:

    prepared = msgpack [partition, method, [[subkey, value or nil]...], [[begin, end]...], [[partition, payload]...],
               [[row, value or nil]...]]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from automata.directory import decode_header
from automata.holding import release
from automata.partitions import address_of
from darq import keys
from darq.overlay import Overlay
from darq.step import Message, Step

if TYPE_CHECKING:
    from automata.entity import Entity
    from automata.host import Host

_Pair = tuple[bytes, bytes | None]
_ID_BYTES = 32


class _Stored(msgspec.Struct, array_like=True):
    """One object's changes."""

    partition: bytes
    method: str
    writes: list[_Pair]
    ranges: list[tuple[bytes, bytes]]
    sends: list[tuple[bytes, bytes]]
    rows: list[_Pair]

    def step(self) -> Step:
        """The step that it is to be."""
        step = Step(self.partition, keys.partition_key(keys.STATE, self.partition))
        if self.writes or self.ranges:
            step.overlay = Overlay()
            step.overlay.writes.update(self.writes)
            step.overlay.ranges = self.ranges
        if self.sends:
            step.sends = [Message(partition, payload) for partition, payload in self.sends]
        for row, value in self.rows:
            step.set_row(row, value)
        return step


_encode: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


class Prepared:
    """The prepared transactions of one host. since: when each was, on the loop's clock."""

    def __init__(self, host: Host) -> None:
        self.since: dict[bytes, float] = {}
        self._host = host
        self._log = host.log
        self._rows: dict[bytes, list[bytes]] = {}
        self._held: dict[bytes, list[bytes]] = {}
        self._timers: dict[bytes, list[bytes]] = {}

    def load(self) -> None:
        """Hold what earlier lives have left. Before anything else runs."""
        for key, data in self._log.store.scan(keys.PREPARED, keys.after(keys.PREPARED), keys.ALL):
            self._add(key[1 : 1 + _ID_BYTES], key, _decode(data))

    def prepare(self, transaction: bytes, changes: Sequence[tuple[str, Step]]) -> int:
        """Write down what will change, by the methods and steps of its objects. Returns the group."""
        step = Step(b"", b"")
        for index, (method, change) in enumerate(changes):
            key = keys.PREPARED + transaction + index.to_bytes(4, "big")
            stored = _stored(method, change)
            step.set_row(key, _encode(stored))
            self._add(transaction, key, stored)
        try:
            group = self._log.commit(step)
        except BaseException:
            self.let_go(transaction)
            raise
        self._host.committer.touch()
        return group

    def holds(self, transaction: bytes, partition: bytes) -> bool:
        """Whether an object stays held until the decision."""
        return partition in self._held[transaction]

    def commit(self, transaction: bytes, step: Step) -> None:
        """What was prepared happens, in this group. step: of the same group, drops the rows; then call `let_go`."""
        for key in self._rows[transaction]:
            data = self._log.row(key)
            assert data is not None, "the row is dropped with the decision alone"
            self._apply(_decode(data))
        self._drop(transaction, step)

    def undo(self, transaction: bytes) -> None:
        """Nothing of it happens."""
        step = Step(b"", b"")
        self._drop(transaction, step)
        self._log.commit(step)
        self._host.committer.touch()
        self.let_go(transaction)

    def let_go(self, transaction: bytes) -> None:
        """It has happened, or never will: its objects are free."""
        host = self._host
        del self.since[transaction], self._rows[transaction]
        for row in self._timers.pop(transaction):
            self._log.timers.release(row)
        over = [(partition, host.prepared.pop(partition)) for partition in self._held.pop(transaction)]
        for partition, waiting in over:
            entity = host.entities.find(address_of(partition))
            if entity is not None:
                release(entity)
            waiting.set_result(None)

    # inside

    def _add(self, transaction: bytes, key: bytes, stored: _Stored) -> None:
        """Nobody uses or reads the object from now on."""
        host = self._host
        self.since.setdefault(transaction, host.loop.time())
        self._rows.setdefault(transaction, []).append(key)
        held = self._held.setdefault(transaction, [])
        if stored.writes or stored.ranges or stored.sends:
            held.append(stored.partition)
            host.prepared.setdefault(stored.partition, host.loop.create_future())
        timers = self._timers.setdefault(transaction, [])
        for row, value in stored.rows:
            if row[:1] == keys.TIMER and value is None:  # it is cancelled, and must not ring meanwhile
                self._log.timers.hold(row)
                timers.append(row)

    def _apply(self, stored: _Stored) -> None:
        host, log = self._host, self._log
        step = stored.step()
        self._arm(step)
        entity = host.entities.find(address_of(stored.partition))
        if entity is not None and step.overlay is not None:
            for snapshot in entity.snapshots:
                snapshot.preserve(step.overlay)
        if not log.group.steps:
            log.stamp()
        step.note = (log.opened_ms, stored.partition, stored.method, len(stored.writes), len(stored.sends), "")
        outgoing = host.stage.outgoing if step.sends else None
        if outgoing is not None:
            outgoing.split(step)
        group = log.commit(step)
        if outgoing is not None:
            outgoing.committed(step)
        if entity is not None:
            _renew(entity, step, group)
            if stored.sends:
                entity.sent_lsn = log.next_lsn - 1

    def _arm(self, step: Step) -> None:
        """What its rows say about times counts from now on."""
        rows = step.rows or {}
        rows.pop(keys.LIFETIME_CURSOR, None)
        for row in [row for row in rows if row[:1] == keys.LIFETIME]:
            del rows[row]
            self._host.stage.lifetimes.arm(step, row[9:], keys.due_of(row))
        for row, value in rows.items():
            if row[:1] == keys.TIMER and value is not None:
                self._log.timers.noticed(row)

    def _drop(self, transaction: bytes, step: Step) -> None:
        for key in self._rows[transaction]:
            step.set_row(key, None)


def _stored(method: str, step: Step) -> _Stored:
    overlay = step.overlay
    return _Stored(
        step.partition,
        method,
        [] if overlay is None else list(overlay.writes.items()),
        [] if overlay is None else overlay.ranges,
        [(message.partition, message.payload()) for message in step.sends or ()],
        list((step.rows or {}).items()),
    )


def _renew(entity: Entity, step: Step, group: int) -> None:
    """The object in memory is as the step has made it."""
    row = keys.partition_key(keys.DIRECTORY, entity.partition)
    if step.rows is not None and row in step.rows:
        data = step.rows[row]
        entity.header = None if data is None else decode_header(data)
        entity.listed = entity.header == entity.made.header and not entity.made.options.time_to_live
    entity.unchanged = None
    entity.state.unload()
    entity.group = group
