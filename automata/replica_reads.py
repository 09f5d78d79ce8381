"""Readonly methods over the rows of a copy that follows (LambdaObjects §4.2.1): what of them can run where no host is.

Nothing of an object is kept between two reads: each sees the rows as they are; automata are read where they are warm.
Whether it may be shown is the caller's to find out (`darq.replication.Backup.readable`). What is doubtful is left to
whoever leads the store: methods that await others or run in workers, automata that are not in memory, objects that have
moved, are on their way, or were stored by another version of their type.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from automata import asking
from automata.asking import Ask
from automata.context import CURRENT
from automata.directory import decode_header
from automata.entity import load
from automata.envelope import Envelope
from automata.errors import InvalidArgument, NotPublic, StateError, UnknownMethod, UnknownType
from automata.methods import Packed
from automata.options import Options
from automata.outcomes import encode_outcome
from automata.partitions import address_of
from automata.place import Place
from automata.residence import Phase, decode_slot
from automata.standby import Standby
from automata.state import READ, ObjectState
from automata.turn import Turn, run_to_end
from automata.types import AutomatonType
from automata.work import Outcome, ordinary
from darq import keys
from darq.limits import Limits
from darq.records import StoreReader
from darq.store import Store

if TYPE_CHECKING:
    from automata.calls import Call
    from automata.entity import Entity
    from automata.timing import Timing


class _Steps:
    """What a turn asks of its host. A readonly method asks for nothing else."""

    def __init__(self, clock: Callable[[], float], chance: random.Random) -> None:
        self.clock = clock
        self.random = chance

    def envelope(self, call: Call) -> tuple[Envelope, int]:
        raise _changes()

    def timing(self, under: Timing | None = None) -> Timing:
        raise _changes()

    def take_lsn(self) -> int:
        raise _changes()


def _changes() -> StateError:
    return StateError("a readonly method changes nothing")


class ReplicaReads:
    """Reads over one store. standby: the automata that are in memory; owner_of: the identity of the store of an
    object's slot, by the newest placement known here; slot_of: its slot.
    """

    def __init__(
        self,
        store: Store,
        standby: Standby,
        options: Options,
        owner_of: Callable[[bytes], bytes],
        slot_of: Callable[[bytes], int],
    ) -> None:
        self._store = store
        self._own = store.identity()
        self._rows = StoreReader(store)
        self._registry = options.registry
        self._steps = _Steps(options.clock, options.random)
        self._standby = standby
        self._owner_of = owner_of
        self._slot_of = slot_of

    def read(self, asks: Iterable[Ask]) -> list[bytes | None]:
        """The outcome of each READ on the rows as they are; None for one that whoever leads has to be asked."""
        if self._store.scan(keys.PREPARED, keys.after(keys.PREPARED), 1):  # it may be committed elsewhere already
            return [None for _ in asks]
        return [self._read(ask) for ask in asks]

    def _read(self, ask: Ask) -> bytes | None:
        if ask.kind != asking.READ or ask.behind or not self._is_here(ask.partition):
            return None
        type_name, key = address_of(ask.partition)
        try:
            made = self._registry.get(type_name)
            method = made.method(ask.method)
            packed = method.decode_arguments(ask.arguments)
        except (UnknownType, UnknownMethod, NotPublic, InvalidArgument):
            return None  # it may know less of the types than the one that leads
        if not method.readonly or not method.direct:
            return None
        loaded = self._load(made, key, ask.partition)
        if loaded is None:
            return None
        outcome = self._run(Turn(self._steps, cast("Entity", Place(made, key)), method, loaded[0]), loaded[1], packed)
        return encode_outcome(outcome, method.result, Limits.message_bytes_max, "a call")

    def _load(self, made: AutomatonType, key: str, partition: bytes) -> tuple[ObjectState, Any] | None:
        """The object as it is now; None if that cannot be told here."""
        if made.volatile:
            warm = self._standby.find(partition)
            return None if warm is None else (warm.state, warm.instance)
        header = self._store.get(keys.partition_key(keys.DIRECTORY, partition))
        if header is not None and decode_header(header).version != made.options.version:
            return None  # it needs a migration
        return load(made, key, self._rows, keys.partition_key(keys.STATE, partition))

    def _is_here(self, partition: bytes) -> bool:
        """Whether the object lives in this store, beyond doubt."""
        get = self._store.get
        if get(keys.GUEST + partition) is not None:
            return True
        if get(keys.MOVED + partition) is not None:
            return False
        slot = get(keys.SLOT + self._slot_of(partition).to_bytes(2, "big"))
        if slot is not None:
            return decode_slot(slot).phase is Phase.HERE
        return self._owner_of(partition) == self._own

    def _run(self, turn: Turn, instance: object, packed: Packed) -> Outcome:
        method, state = turn.method, turn.state
        token = CURRENT.set(turn)
        try:
            state.begin(READ)
            result = method.take_result(run_to_end(method.fn(instance, *method.unpack(packed))))
            state.flush()
            return Outcome(result, None, 0)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a user's method raises is its outcome
            return Outcome(None, ordinary(error, turn.name), 0)
        finally:
            turn.closed = True
            state.end_read()
            CURRENT.reset(token)
