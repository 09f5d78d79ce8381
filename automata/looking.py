"""Looking at an embedded app's objects from outside: keys, existence, contents, letters, counters.

Whatever is shown is durable: each answer waits at the gate for all that it may depend on.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from automata.engine import Engine
from automata.entity import load
from automata.errors import StateError, UnknownType
from automata.fields import Field
from automata.journal import Journal
from automata.letter_box import Letter
from automata.partitions import address_of, partition_of
from automata.reference import ObjectRef, make_ref
from automata.resuming import Trouble
from automata.state import READ
from automata.work import Outcome
from darq import keys
from darq.lane import durable

if TYPE_CHECKING:
    from automata.sandbox.upload import Upload

_PAGE_ROWS = 512


def type_name(cls: type | str) -> str:
    """The name of a type given by class or name. Raises UnknownType for a class that is no object type."""
    made = cls if isinstance(cls, str) else getattr(cls, "__automaton__", None)
    if made is None:
        raise UnknownType(f"{cls!r} is no object type: decorate it with @object_type")
    return made if isinstance(made, str) else str(made.name)


async def keys_of(engine: Engine, name: str, prefix: str, after: str) -> AsyncIterator[str]:
    """Keys of existing objects, in order, page by page: each page is read, and shown once all in it is durable."""
    first = keys.DIRECTORY + keys.escape(partition_of(name, prefix))
    begin, end = first, keys.after(first)
    if after:
        begin = max(begin, keys.partition_key(keys.DIRECTORY, partition_of(name, after)) + b"\xff")
    while True:
        rows = engine.log.store.scan(begin, end, _PAGE_ROWS)
        behind = rows[-1][0] + b"\x00" if len(rows) == _PAGE_ROWS else end
        staged = {key: row for key, row in engine.log.group.rows.items() if begin <= key < behind}
        found = sorted(key for key, row in (dict(rows) | staged).items() if row is not None)
        await _settled(engine)
        for key in found:
            yield address_of(keys.split_partition(key)[0])[1]
        if behind == end:
            return
        begin = behind


async def exists(engine: Engine, ref: ObjectRef) -> bool:
    """Whether the object has a directory row."""
    found = engine.log.row(keys.partition_key(keys.DIRECTORY, partition_of(ref.type_name, ref.key))) is not None
    await _settled(engine)
    return found


async def inspect(engine: Engine, ref: ObjectRef) -> dict[str, Any]:
    """The fields of an object as plain Python."""
    entity = engine.host.entity(ref.type_name, ref.key)
    state, instance = load(entity.made, entity.key, engine.log, entity.prefix)
    state.begin(READ)
    found = {name: _plain(field, instance) for name, field in entity.made.fields.items()}
    await _settled(engine)
    return found


def _plain(field: Field, instance: object) -> object:
    """The content of a field. Raises StateError if its rows are damaged, or are not of the type that is declared."""
    try:
        return field.plain(instance)
    except (ValueError, ArithmeticError, MemoryError, struct.error) as error:
        raise StateError(
            f"{type(instance).__name__}.{field.name} cannot be read as what it is declared: {error}"
        ) from error


async def delete(engine: Engine, ref: ObjectRef) -> None:
    """Delete an object, as one step of its own."""
    reply = engine.host.erase(engine.host.entity(ref.type_name, ref.key))
    outcome = reply if isinstance(reply, Outcome) else await reply
    await durable(engine.log.gate, outcome.group)
    outcome.take()


async def uploads(engine: Engine) -> AsyncIterator[Upload]:
    """What was uploaded, by name."""
    found = engine.uploads.uploads().all() if engine.log.rows(keys.UPLOAD) else []
    await _settled(engine)
    for upload in found:
        yield upload


async def dead_letters(engine: Engine) -> AsyncIterator[Letter]:
    """What has raised too often: messages, and methods that came as messages."""
    letters = engine.delivery.letters.letters()
    letters += [_letter(j) for j in engine.resuming.interrupted.waiting() if j.row.trouble == Trouble.RAISED]
    await _settled(engine)
    for letter in letters:
        yield letter


async def interrupted(engine: Engine) -> AsyncIterator[Letter]:
    """Methods that stopped between two parts and cannot go on by themselves."""
    letters = [_letter(j) for j in engine.resuming.interrupted.waiting() if j.row.trouble != Trouble.RAISED]
    await _settled(engine)
    for letter in letters:
        yield letter


async def retry(engine: Engine, letter_id: str) -> None:
    """Deliver a dead letter again, or resume a method."""
    number = _number(engine, letter_id)
    if number is None:
        engine.delivery.letters.retry(letter_id)
        engine.host.committer.touch()
    else:
        engine.resuming.retry(number)
    await _settled(engine)


async def restart(engine: Engine, letter_id: str) -> None:
    """Run an interrupted method anew."""
    number = _number(engine, letter_id)
    if number is None:
        raise StateError(f"there is no interrupted method {letter_id!r}: app.interrupted() lists them")
    engine.resuming.restart(number)
    await _settled(engine)


async def discard(engine: Engine, letter_id: str) -> None:
    """Drop a dead letter or an interrupted method."""
    number = _number(engine, letter_id)
    if number is None:
        engine.delivery.letters.discard(letter_id)
        engine.host.committer.touch()
    else:
        engine.resuming.discard(number)
    await _settled(engine)


def _number(engine: Engine, letter_id: str) -> int | None:
    """The number of the method that waits under this id, if one does."""
    return int(letter_id) if letter_id.isdecimal() and engine.resuming.interrupted.is_waiting(int(letter_id)) else None


def _letter(journal: Journal) -> Letter:
    row = journal.row
    ref = make_ref(*address_of(row.partition))
    return Letter(str(journal.number), ref, row.method, row.error, row.traceback)


async def stats(engine: Engine) -> dict[str, int]:
    """Counters of the engine."""
    log, host = engine.log, engine.host
    return {
        "groups_durable": log.gate.durable,
        "objects_in_memory": len(host.entities),
        "messages_in_memory": log.inbox.pending_in_memory(),
        "timers_ringing": log.timers.on_their_way(),
        "timers_next_due_ms": log.timers.next_ms or 0,
        "calls_queued": host.queued,
        "cache_hits": host.read_cache.hits,
        "cache_misses": host.read_cache.misses,
        "cache_entries": len(host.read_cache),
        "cache_bytes": host.read_cache.size_bytes,
        "disk_free_bytes": log.store.free_bytes(),
    }


async def _settled(engine: Engine) -> None:
    """Wait until everything committed so far is durable."""
    group = engine.log.group
    await durable(engine.log.gate, group.number if group.dirty else group.number - 1)
