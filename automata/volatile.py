"""The volatile state of one automaton in memory: rebuilt from its checkpoint and its records (SSMS §2, §3.2).

It answers host, turn and stage as an object's state does, but nothing of it is written by a step: what a step records
is, and the state is what `@apply` has made of all records. Whatever has gone wrong in a step, the state is dropped and
rebuilt before the next one: it never shows what is not in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from automata import checkpoint, replay_cost
from automata.applies import head_of, tag_of
from automata.checkpoint import CUSTOM, Checkpoint
from automata.context import CURRENT
from automata.errors import AutomataError, InvalidArgument, ReadOnlyError, StateError
from automata.partitions import address_of
from automata.pure import Pure
from automata.state import IDLE, READ, WRITE, Live, Mode, ObjectState, Reader, encode_field
from automata.values.dynamic import decode_dynamic, encode_dynamic
from darq import keys
from darq.overlay import Overlay

if TYPE_CHECKING:
    from automata.values.value_type import ValueType
    from automata.volatile_type import VolatileType


class RecordReader(Reader, Protocol):
    """Committed state and records, as `darq.log.Log` gives them."""

    def replay(self, partition: bytes, after_lsn: int = 0) -> Iterator[tuple[int, bytes]]:
        """(lsn, payload) of the records of a partition above `after_lsn`, in order."""


class Watched(Protocol):
    """What is needed of a mutable field that is read."""

    name: str
    kind: ValueType


class VolatileState(ObjectState):
    """The fields of one automaton, and what its current step has recorded.

    applying: an `@apply` method (or `restore`) runs, which alone may change fields. records: of this step; None if it
    has none. records_since, record_bytes: since the last checkpoint, which has
    saved_bytes and covers the records up to saved_lsn.
    """

    __slots__ = (
        "_broken",
        "_encoded",
        "_fault",
        "_loaded",
        "_made",
        "_postponed_bytes",
        "_pure",
        "_saved",
        "_source",
        "applying",
        "instance",
        "record_bytes",
        "records",
        "records_since",
        "saved_bytes",
        "saved_lsn",
    )

    def __init__(self, source: RecordReader, prefix: bytes, made: VolatileType, instance: Any) -> None:
        super().__init__(source, prefix, instance.__dict__)
        self.instance = instance
        self.applying = False
        self.records: list[bytes] | None = None
        self.records_since = 0
        self.record_bytes = 0
        self.saved_bytes = self.saved_lsn = 0
        self._postponed_bytes = 0  # how large a snapshot has to be worth it, after one could not be made
        self._source = source
        self._made = made
        self._pure = Pure(self._address())
        self._loaded = False
        self._fault = ""
        self._broken = ""  # the @apply that has raised in this step, which must not commit then
        self._saved: frozenset[bytes] = frozenset()  # the subkeys of the last checkpoint
        self._encoded: dict[bytes, bytes] = {}  # mutable fields as they are, until the next record is applied

    # parts

    def begin(self, mode: Mode) -> None:
        """A method begins: rebuild the state if it is not in memory. Raises StateError if that cannot be done."""
        if not self._loaded:
            self.load()
        self.mode = mode

    def flush(self) -> Overlay | None:
        """Check that the method has changed nothing by itself."""
        if self._broken:
            raise StateError(f"{self._broken} has raised in this step, so what it was given must not be recorded")
        if self.live:
            self._check_watched()
            self.live = {}
        return self.overlay

    def settle(self) -> None:
        """The records of this step are committed."""
        if self.records is not None:
            self.records_since += len(self.records)
            self.record_bytes += self.written_bytes
        self._end_step()

    def rollback(self) -> None:
        """Nothing that this step has recorded or changed stays: the state is rebuilt if there was anything."""
        if self.records is not None or self.overlay is not None or self._changed_in_place():
            self._loaded = False
        self._end_step()

    def end_read(self) -> None:
        """A readonly method is over: what it has changed in place does not stay."""
        self.mode = IDLE
        if self.live:
            if self._changed_in_place():
                self._loaded = False
            self.live = {}

    def detach(self) -> list[Live]:
        """Nothing: a handler has one part."""
        return []

    def preserve(self, coming: Overlay) -> None:
        """Nothing: a readonly method that awaits has an instance of its own, which is whole."""

    # changing

    def record(self, event: object) -> None:
        """Take a self-message into this step, and apply it at once. Raises InvalidArgument if it does not fit."""
        if self.mode is not WRITE:
            self.check_writable("the automaton with record()")
        applier = self._made.applies.of(type(event))
        value, data = applier.take(event)
        if self.live:
            self._check_watched()
        if self.records is None:
            self.records = [data]
        else:
            self.records.append(data)
        size = len(data)
        self.written_bytes += size
        self.largest_bytes = max(self.largest_bytes, size)
        if self._encoded:
            self._encoded = {}
        self.applying = True
        try:
            applier.fn(self.instance, value)
        except BaseException:
            self._broken = f"@apply {self._made.name}.{applier.name}"
            raise
        finally:
            self.applying = False
        if self.live:
            self._watch_anew()

    def check_assignable(self, name: str) -> None:
        """Raise unless fields may be assigned now."""
        what = f"{self._made.name}.{name}"
        if self.mode is READ:
            raise ReadOnlyError(f"a readonly method must not change {what}: remove @readonly, and record() the change")
        if not self.applying:
            raise StateError(
                f"{what} was changed outside of @apply: it is volatile, and would be lost at the next failure. "
                "record() what has happened, and change the field in the @apply method for that"
            )

    def check_writable(self, what: str) -> None:
        """Raise ReadOnlyError in a readonly method and StateError outside of any."""
        if self.applying:
            raise StateError(f"an @apply method must not change {what}: it changes fields, and nothing else")
        super().check_writable(what)

    def clear(self) -> None:
        """Drop the checkpoint with this step, and all that was recorded: the fields are at their defaults."""
        super().clear()
        self.records = None
        self.written_bytes = self.largest_bytes = 0
        self._start_anew()

    def watch(self, field: Watched, value: object) -> None:
        """A mutable value is handed out to a method: what it is now tells at the end whether it was changed."""
        subkey = field.name.encode()
        if subkey in self.live:
            return
        encoded = self._encoded.get(subkey)
        if encoded is None:
            encoded = self._encoded[subkey] = field.kind.encode(value)
        self.live[subkey] = Live(field.name, field.kind, value, encoded)

    # rebuilding

    def load(self) -> None:
        """Rebuild the state: the checkpoint, then all records behind it, in order."""
        if self._fault:
            raise StateError(self._fault)
        self._made.resolve()
        token = CURRENT.set(self._pure)
        self.applying = True
        try:
            self._start_anew()
            found = checkpoint.read(self._source, self.prefix)
            self._restore(found)
            self._keep(found)
            self._replay(found.lsn)
            self._loaded = True
        finally:
            self.applying = False
            CURRENT.reset(token)

    def follow(self, records: Iterable[tuple[int, bytes]]) -> None:
        """Apply stored self-messages, (lsn, payload), that come behind all that it has. Raises StateError."""
        token = CURRENT.set(self._pure)
        self.applying = True
        try:
            self._apply(records)
            self._encoded = {}
        finally:
            self.applying = False
            CURRENT.reset(token)

    def move_to(self, source: RecordReader) -> None:
        """From now on it is of the log that was opened over what it was built from."""
        self.log = self._source = source

    def unload(self) -> None:
        """What is in memory is not what is in the log: rebuild it before the next method."""
        self._loaded = False

    def give_up(self) -> None:
        """The automaton is about to be deleted: its state need not be rebuilt, which may be impossible.

        If it is not deleted then, `unload` has to follow: what is in memory now is empty.
        """
        if not self._loaded:
            self._fault = ""
            self._start_anew()
            self._loaded = True

    def checkpoint_due(self) -> bool:
        """Whether what was recorded since the last checkpoint takes long enough to replay."""
        return replay_cost.due(self.records_since, self.record_bytes, max(self.saved_bytes, self._postponed_bytes))

    def checkpoint(self, lsn: int) -> Checkpoint:
        """The state as a checkpoint that covers all records up to `lsn`: they are all applied."""
        made, rows = self._made, dict[bytes, bytes]()
        mode, self.mode = self.mode, READ
        token = CURRENT.set(self._pure)
        try:
            if made.checkpoint is not None:
                rows[CUSTOM] = encode_dynamic(made.checkpoint(self.instance))
                self._check_watched()
            else:
                for field in made.volatile_fields.values():
                    rows[field.subkey] = encode_field(field.name, field.kind, self.values[field.name])
        finally:
            if self._changed_in_place():
                self._loaded = False
            self.live = {}
            self.mode = mode
            CURRENT.reset(token)
        return Checkpoint(lsn, rows)

    def rows_of(self, saved: Checkpoint) -> Overlay:
        """The rows that writing a checkpoint changes."""
        return checkpoint.changes(saved, self._saved)

    def checkpointed(self, saved: Checkpoint) -> None:
        """The checkpoint is committed."""
        self._keep(saved)
        self.records_since = self.record_bytes = self._postponed_bytes = 0

    def postpone_checkpoint(self) -> None:
        """It could not be made: try again when twice as much is to be replayed."""
        self._postponed_bytes = replay_cost.snapshot_worth(2 * self.records_since, 2 * self.record_bytes)

    # inside

    def _restore(self, found: Checkpoint) -> None:
        custom, made = found.rows.get(CUSTOM), self._made
        if custom is not None:
            if made.restore is None:
                raise StateError(f"{self._address()} was saved by a checkpoint() of its class: keep its restore()")
            try:
                made.restore(self.instance, decode_dynamic(custom))
            except Exception as error:
                raise self._ruined(f"restore() raised {type(error).__name__}: {error}") from error
            return
        for field in made.volatile_fields.values():
            data = found.rows.get(field.subkey)
            if data is not None:
                try:
                    self.values[field.name] = field.kind.decode(data)
                except InvalidArgument as error:
                    raise self.misfit(field.name, str(error)) from None

    def _replay(self, after_lsn: int) -> None:
        self._apply(self._source.replay(keys.split_partition(self.prefix)[0], after_lsn))

    def _apply(self, records: Iterable[tuple[int, bytes]]) -> None:
        instance, known = self.instance, self._made.applies.by_head
        count = size = 0
        for lsn, record in records:
            head = head_of(record)
            try:
                applier = known.get(head) or self._made.applies.of_record(record)
                applier.fn(instance, applier.decode(record[len(head) :]))
            except Exception as error:
                what = f"record {lsn} ({tag_of(record)}) does not apply: {type(error).__name__}: {error}"
                raise self._ruined(what) from error
            count += 1
            size += len(record)
        self.records_since += count
        self.record_bytes += size

    def _keep(self, saved: Checkpoint) -> None:
        self._saved, self.saved_bytes, self.saved_lsn = frozenset(saved.rows), saved.size, saved.lsn

    def _ruined(self, what: str) -> StateError:
        self._fault = (
            f"{self._address()} cannot be rebuilt: {what}. Nothing is lost: mend the class, and open the app again"
        )
        return StateError(self._fault)

    def _start_anew(self) -> None:
        for field in self._made.volatile_fields.values():
            self.values[field.name] = field.fresh()
        self._encoded = {}
        self.live = {}
        self._saved = frozenset()
        self.saved_bytes = self.saved_lsn = self.records_since = self.record_bytes = 0

    def _end_step(self) -> None:
        self.overlay = self.records = None
        self.written_bytes = self.largest_bytes = 0
        self._broken = ""
        if self.live:
            self.live = {}

    def _check_watched(self) -> None:
        for live in self.live.values():
            if live.encode_changed() is not None:
                self._loaded = False
                if self.mode is READ:
                    raise ReadOnlyError(f"a readonly method changed {live.name!r} in place")
                self.check_assignable(live.name)

    def _changed_in_place(self) -> bool:
        try:
            return any(live.encode_changed() is not None for live in self.live.values())
        except AutomataError:  # it no longer fits its type
            return True

    def _watch_anew(self) -> None:
        """An @apply has run: what it has made of the values that the method holds is what they are now."""
        for subkey, live in list(self.live.items()):
            if self.values[live.name] is live.value:
                live.encoded = self._encoded[subkey] = live.kind.encode(live.value)
            else:
                del self.live[subkey]

    def _address(self) -> str:
        return "/".join(address_of(keys.split_partition(self.prefix)[0]))
