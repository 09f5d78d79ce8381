"""Which rows a sandboxed type may write: those of its fields, so that whoever looks at its objects can read them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from automata.errors import GuestTrapped, InvalidArgument
from automata.sandbox.manifest import FieldManifest
from automata.sandbox.plain import check_typed
from automata.sandbox.terms import annotation_of
from automata.state import ENTRY, SIZE, VALUE
from automata.values import ordered
from automata.values.value_type import ValueType, value_type

_SORTS = {"list": b"L", "set": b"S", "map": b"M"}
_SIZE_BYTES = {b"L": struct.calcsize(">cQQ"), b"S": struct.calcsize(">cQ"), b"M": struct.calcsize(">cQ")}
_INDEX_BYTES = 8
_ENTRIES_MAX = 1 << 40
"""What a size may say: whoever looks at an object would believe it."""


class RowChecks:
    """The rows of one type of a component; those of a core module its host writes."""

    def __init__(self, fields: Sequence[FieldManifest]) -> None:
        self._fields: Mapping[bytes, FieldManifest] = {field.name.encode(): field for field in fields}
        self._kinds: dict[bytes, ValueType] = {}

    def check(self, subkey: bytes, data: bytes | None) -> None:
        """Raise GuestTrapped for a row that the type cannot have."""
        name, mark, rest = subkey.partition(b"\x00")
        field = self._fields.get(name)
        kind = field.kind if field is not None else None
        tag = mark + rest[:1]
        fits = tag == VALUE if kind == "value" else tag in {SIZE, ENTRY}
        if kind is None or not fits:
            raise GuestTrapped(f"sandboxed code writes the row {subkey[:100]!r}, which no field of its type has")
        try:
            self._check_row(kind, tag, rest[1:], data)
            if data is not None and tag != SIZE and kind != "set":
                self._check_value(name, data)
        except (ValueError, TypeError, InvalidArgument, struct.error, ArithmeticError, IndexError) as error:
            raise GuestTrapped(f"sandboxed code writes a damaged row {subkey[:100]!r}: {error}") from None

    def _check_row(self, kind: str, tag: bytes, key: bytes, data: bytes | None) -> None:
        if tag == ENTRY and kind == "list" and len(key) != _INDEX_BYTES:
            raise ValueError("its index has not 8 bytes")
        if tag == ENTRY and kind != "list":
            ordered.decode(key)
        if tag != ENTRY and key:
            raise ValueError("bytes follow its key")
        if data is None:
            return
        if tag == SIZE:
            sort = _SORTS[kind]
            if data[:1] != sort or len(data) != _SIZE_BYTES[sort]:
                raise ValueError("it is no size")
            begin, end = _ends(data)
            if not begin <= end <= begin + _ENTRIES_MAX or end >= 1 << 63:
                raise ValueError("it is a size that no collection has")

    def _check_value(self, name: bytes, data: bytes) -> None:
        """A value must be of its field's type."""
        if name not in self._kinds:
            field = self._fields[name]
            self._kinds[name] = value_type(annotation_of(field.type if field.kind == "value" else field.value))
        kind = self._kinds[name]
        check_typed(kind.annotation, data)
        kind.decode(data)


def _ends(data: bytes) -> tuple[int, int]:
    """Where the entries of a collection begin and end, by its size."""
    numbers = struct.unpack(f">{len(data) // 8}Q", data[1:])
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, numbers[0])
