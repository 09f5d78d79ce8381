"""Stored values without their types, for people: what no class is at hand for is shown as plain data."""

import msgspec

from automata.errors import InvalidArgument
from automata.values.records import UNSET
from automata.values.wire import Code, read_ext

_PICKLE = b"\x80"  # how every pickle begins, and an empty MessagePack map of one byte


def decode_untyped(data: bytes) -> object:
    """The value in one row. Records of classes that are not imported become dictionaries, pickles a note."""
    try:
        return read_untyped(data)
    except ValueError:
        kind = "pickled" if data.startswith(_PICKLE) else "undecodable"
        return f"<{kind}, {len(data)} bytes>"


def read_untyped(data: bytes) -> object:
    """As `decode_untyped`; ValueError for what is no value of ours, as a pickle."""
    value: object = _decoder.decode(data)
    return _without_marks(value)


def is_pickle(data: bytes) -> bool:
    """Whether a row holds a pickle."""
    return data.startswith(_PICKLE) and len(data) > 1


def _without_marks(value: object) -> object:
    """Without what models note under `UNSET`; a user's own entry of that name is none of the others' names."""
    if isinstance(value, list):
        return [_without_marks(item) for item in value]
    if not isinstance(value, dict):
        return value
    unset = value.get(UNSET)
    marked = isinstance(unset, list) and bool(unset) and all(isinstance(n, str) and n and n in value for n in unset)
    return {key: _without_marks(item) for key, item in value.items() if not (marked and key == UNSET)}


def _extension(code: int, payload: memoryview) -> object:
    try:
        return read_ext(code, payload)
    except (InvalidArgument, ValueError):
        parts = _decoder.decode(bytes(payload))
    if code == Code.ENUM:
        return f"{parts[1]}.{parts[2]}"
    if code in {Code.DATACLASS, Code.MODEL}:
        return {"<class>": f"{parts[0]}.{parts[1]}", **parts[2]}
    return parts[2] if code == Code.NAMED_TUPLE else parts


_decoder = msgspec.msgpack.Decoder(ext_hook=_extension)
