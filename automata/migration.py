"""Bringing stored objects up to the version of their class, each when it is first touched.

The user's function runs as a step of its own, before anything else sees the object: it either happens whole, or the
object stays as it was. What is stored and fits the class no more is dropped by the same step, so it is read from the
rows below the step's changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from automata.collection import CollectionField
from automata.context import CURRENT
from automata.errors import InvalidArgument, StateError
from automata.fields import MutableField, PickledField, ValueField
from automata.methods import Method
from automata.state import IDLE, SIZE, VALUE, WRITE, Bounds
from automata.stored_fields import LIST, SET, StoredFields
from automata.turn import Steps, Turn
from automata.values import ordered
from automata.values.untyped import is_pickle
from automata.work import Outcome

if TYPE_CHECKING:
    from automata.entity import Entity
    from automata.fields import Field
    from automata.stage import Stage
    from automata.values.value_type import ValueType
    from darq.log import Log


class MigrationSteps(Steps, Protocol):
    """What a migration asks of its host."""

    def admit(self) -> None:
        """Raise what keeps steps from running now."""


class Migration:
    """Migrates the objects of one host."""

    def __init__(self, host: MigrationSteps, stage: Stage, log: Log) -> None:
        self._host = host
        self._stage = stage
        self._log = log

    def bring_up(self, entity: Entity) -> None:
        """Migrate an object that was just loaded, and whose stored version is not its class's.

        Raises StateError if what is stored is newer than the class, and whatever `migrate` raises; nothing has
        changed then.
        """
        options, header = entity.made.options, entity.header
        stored = options.version if header is None else header.version
        if stored > options.version:
            raise StateError(
                f"{entity.address} was stored by version {stored} of {entity.made.name}, and the class here is version "
                f"{options.version}: run the newer class; nothing was changed"
            )
        if options.migrate is not None and stored < options.version:
            self._run(entity, stored)

    def _run(self, entity: Entity, version: int) -> None:
        made, state = entity.made, entity.state
        turn = Turn(self._host, entity, _MIGRATE, state)
        token = CURRENT.set(turn)
        try:
            self._host.admit()
            state.begin(WRITE)
            old = StoredFields(self._log, entity.prefix)
            state.drop_range(_NOTHING)  # the step is there, even if nothing but the version changes
            for bounds in list(_misfits(made.fields, old)):
                state.drop_range(bounds)
            assert made.options.migrate is not None, "only objects of a type that migrates come here"
            made.options.migrate(entity.instance, old, version)
            self._stage.commit(turn, Outcome(None, None, 0))
        finally:  # if it has raised, nobody gets this entity, and the next touch loads another
            turn.closed = True
            state.mode = IDLE
            CURRENT.reset(token)


async def _migrate(self: object) -> None:
    """Stands in the history for the user's function, which is no method."""


_MIGRATE = Method("", "migrate", _migrate)
_NOTHING: Bounds = (b"", b"")


def _misfits(fields: Mapping[str, Field], stored: StoredFields) -> Iterator[Bounds]:
    """The ranges of rows that the class cannot read: of fields that it has not, and of those declared otherwise.

    Of a collection the first entry stands for all, so that a large one is not read.
    """
    for name in stored:
        field, base = fields.get(name), name.encode()
        value_row, collection_rows = (base + VALUE, base + SIZE), (base + SIZE, base + b"\x01")
        if isinstance(field, CollectionField):
            if stored.value(name) is not None:
                yield value_row
            if not _collection_fits(field, name, stored):
                yield collection_rows
        elif isinstance(field, ValueField | MutableField | PickledField):
            if stored.collection(name) is not None:
                yield collection_rows
            data = stored.value(name)
            if data is not None and not _fits(field.kind, data):
                yield value_row
        else:
            yield (base + b"\x00", base + b"\x01")


def _collection_fits(field: CollectionField, name: str, stored: StoredFields) -> bool:
    collection = stored.collection(name)
    if collection is None:
        return True
    if collection.sort != field.maker.sort:
        return False
    for key, data in stored.some(name, 1):
        if field.maker.sort != LIST and not _key_fits(field.kinds[0], key):
            return False
        if field.maker.sort != SET and not _fits(field.kinds[-1], data):
            return False
    return True


def _fits(kind: ValueType, data: bytes) -> bool:
    if kind.pickled or is_pickle(data):
        return kind.pickled and is_pickle(data)
    try:
        kind.decode(data)
    except InvalidArgument:
        return False
    return True


def _key_fits(kind: ValueType, key: bytes) -> bool:
    try:
        kind.validate(ordered.decode(key))
    except InvalidArgument:
        return False
    return True
