"""Questions about the objects of one store, asked from outside of any method: `ask` of a copy that leads it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

from automata import looking
from automata.asking import EXISTS, INSPECT, WHERE
from automata.engine import Engine
from automata.errors import InvalidArgument
from automata.letter_box import Letter
from automata.reference import ObjectRef
from automata.values.dynamic import encode_dynamic


async def show(engine: Engine, what: str, ref: ObjectRef) -> object:
    """What is asked about one object: see `automata.asking`."""
    if what == WHERE:
        return engine.log.store.identity()
    if what == EXISTS:
        return await looking.exists(engine, ref)
    if what == INSPECT:
        return carried(await looking.inspect(engine, ref))
    raise InvalidArgument(f"nothing shows {what!r} of an object")


def carried(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields of an object, those as their `repr` that cannot be told to other processes as they are: what
    `Pickled[...]` holds, say, or several flags in one.
    """
    shown = {}
    for name, value in fields.items():
        try:
            encode_dynamic(value)
        except InvalidArgument:
            shown[name] = _text(value)
        else:
            shown[name] = value
    return shown


def _text(value: object) -> object:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - code of a user's class
        return object.__repr__(value)


async def answer(engine: Engine, what: str, arguments: Sequence[object]) -> object:
    """What is asked about a store: "keys", "stats", "dead_letters", "interrupted", or done with one of those."""
    if what == "keys":
        name, prefix, after, limit = cast("tuple[str, str, str, int]", tuple(arguments))
        return await _first(looking.keys_of(engine, name, prefix, after), limit)
    if what == "stats":
        return await looking.stats(engine)
    if what in _LISTS:
        return [_parts(letter) async for letter in _LISTS[what](engine)]
    if what in _DOINGS:
        await _DOINGS[what](engine, cast("str", arguments[0]))
        return None
    raise InvalidArgument(f"no store answers {what!r}")


_LISTS = {"dead_letters": looking.dead_letters, "interrupted": looking.interrupted}
_DOINGS = {"retry": looking.retry, "restart": looking.restart, "discard": looking.discard}


async def _first(keys: AsyncIterator[str], limit: int) -> list[str]:
    found: list[str] = []
    async for key in keys:
        found.append(key)
        if len(found) == limit:
            break
    return found


def _parts(letter: Letter) -> list[str]:
    return [letter.id, letter.ref.type_name, letter.ref.key, letter.method, letter.error, letter.traceback]
