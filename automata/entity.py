"""Objects in memory: their loaded state, and who may run on them now. A cache over the log, bounded in number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING, Any, Protocol, cast

from automata.directory import decode_header
from automata.errors import Overloaded, UnknownType
from automata.partitions import partition_of
from automata.state import STATE, ObjectState, Reader
from automata.volatile import VolatileState
from automata.volatile_type import VolatileType
from darq import keys

if TYPE_CHECKING:
    from automata.types import AutomatonType
    from automata.volatile import RecordReader
    from darq.log import Log


class Waiter(Protocol):
    """Whatever waits for an object to be free."""

    def proceed(self) -> None:
        """The object is free: use it now, or take hold of it by setting its `busy`."""

    def refuse(self, store: bytes) -> None:
        """The object has moved to another store: it is never free here any more."""


class Entity:
    """One object in memory.

    group: the last group that changed it, as far as known: what an answer about it depends on. busy: a method that
    can suspend holds it; queue: what waits for it. exists: None until looked up. snapshots: open readonly views.
    sent_lsn: the number of the last message that it may have sent. unchanged: what stands for its present
    committed state while a kept result relies on it; a step that changes the state takes it away.
    pins: methods that have let go of it while they wait for others. moved: the store that it lives in now, if it has
    left this one: then it is busy for good, and nothing runs on what is left here.
    """

    __slots__ = (
        "busy",
        "group",
        "header",
        "instance",
        "key",
        "listed",
        "made",
        "moved",
        "partition",
        "pins",
        "prefix",
        "queue",
        "sent_lsn",
        "snapshots",
        "state",
        "unchanged",
    )

    def __init__(self, made: AutomatonType, key: str, log: Log, group: int) -> None:
        self.made = made
        self.key = key
        self.partition = partition_of(made.name, key)
        self.prefix = keys.partition_key(keys.STATE, self.partition)
        self.group = group
        self.busy = False
        data = log.row(keys.partition_key(keys.DIRECTORY, self.partition))
        self.header = None if data is None else decode_header(data)
        self.listed = self.header == made.header and not made.options.time_to_live
        self.pins = 0
        self.moved: bytes | None = None
        self.sent_lsn = log.under_way_lsn  # by an earlier life, or before it was forgotten
        self.unchanged: object | None = None
        self.queue: deque[Waiter] = deque()
        self.snapshots: list[ObjectState] = []
        loaded: tuple[ObjectState, Any] = load(made, key, log, self.prefix)
        self.state, self.instance = loaded

    @property
    def address(self) -> str:
        """TYPE/KEY."""
        return f"{self.made.name}/{self.key}"

    @property
    def idle(self) -> bool:
        """Whether it can be forgotten."""
        return not (self.busy or self.pins or self.queue or self.snapshots)


def load(made: AutomatonType, key: str, log: Reader, prefix: bytes) -> tuple[ObjectState, Any]:
    """A fresh instance of an object, with nothing loaded yet. log: for an automaton, a `RecordReader`."""
    instance: Any = object.__new__(made.cls)
    values = instance.__dict__
    if isinstance(made, VolatileType):
        state: ObjectState = VolatileState(cast("RecordReader", log), prefix, made, instance)
    else:
        state = ObjectState(log, prefix, values)
    values["key"] = key
    values[STATE] = state
    return state, instance


class EntityCache:
    """Entities by type and key. When one generation is full, what was not used since the last is forgotten.

    outdated: is called with each object that was stored by another version of its type, before anyone gets it.
    prepared: the objects that are held, in memory or not, until another store has decided about a transaction.
    """

    def __init__(self, log: Log, entities_max: int) -> None:
        self.outdated: Callable[[Entity], None] = _as_it_is
        self.prepared: Container[bytes] = ()
        self._log = log
        self._half = max(1, entities_max // 2)
        self._young: dict[tuple[str, str], Entity] = {}
        self._old: dict[tuple[str, str], Entity] = {}

    def get(self, made: AutomatonType, key: str) -> Entity:
        """The entity of an object, made if it is not in memory. Raises UnknownType for another app's upload."""
        name = (made.name, key)
        entity = self._young.get(name)
        if entity is not None and entity.made is made:
            return entity
        return self._promote(made, name)

    def forget(self, made: AutomatonType) -> None:
        """A type was defined anew: its idle entities are made again from the new definition."""
        for generation in (self._young, self._old):
            for name in [n for n, e in generation.items() if n[0] == made.name and e.idle]:
                del generation[name]

    def find(self, name: tuple[str, str]) -> Entity | None:
        """The object of this type and key, if it is in memory."""
        return self._young.get(name) or self._old.get(name)

    def drop(self, name: tuple[str, str]) -> None:
        """Forget an object that has left, or come: whoever has it still finds that it has moved."""
        self._young.pop(name, None)
        self._old.pop(name, None)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def all(self) -> Iterable[Entity]:
        """Those in memory."""
        return [*self._young.values(), *self._old.values()]

    def _promote(self, made: AutomatonType, name: tuple[str, str]) -> Entity:
        entity = self._old.pop(name, None) or self._young.get(name)
        if entity is None or (entity.made is not made and entity.idle):
            if made.home and made.home != self._log.store.identity():
                raise UnknownType(
                    f"{made.name} was uploaded to another app of this process: upload it to this one, too"
                )
            entity = Entity(made, name[1], self._log, self._last_group(made, name[1]))
            entity.busy = entity.partition in self.prepared
            if entity.header is not None and entity.header.version != made.options.version:
                if entity.busy:
                    raise Overloaded(
                        f"{entity.address} has to be migrated after a transaction: call again a little later"
                    )
                self.outdated(entity)
        if len(self._young) >= self._half:
            self._old = {n: e for n, e in self._old.items() if not e.idle} | self._young
            self._young = {}
        self._young[name] = entity
        return entity

    def _last_group(self, made: AutomatonType, key: str) -> int:
        """The group that a forgotten object may have been changed by last."""
        number = self._log.group.number
        return number if self._log.group.dirty else number - 1


def _as_it_is(entity: Entity) -> None:
    """Nobody migrates objects yet."""
