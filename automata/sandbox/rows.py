"""Which rows a sandboxed type may write: those of its fields, so that whoever looks at its objects can read them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from automata.errors import GuestTrapped, InvalidArgument
from automata.sandbox.manifest import FieldManifest
from automata.sandbox.plain import check_plain
from automata.state import ENTRY, SIZE, VALUE
from automata.values import ordered

_SORTS = {"list": b"L", "set": b"S", "map": b"M"}
_SIZE_BYTES = {b"L": struct.calcsize(">cQQ"), b"S": struct.calcsize(">cQ"), b"M": struct.calcsize(">cQ")}
_INDEX_BYTES = 8


class RowChecks:
    """The rows of one type of a component; those of a core module its host writes."""

    def __init__(self, fields: Sequence[FieldManifest]) -> None:
        self._kinds = {field.name.encode(): field.kind for field in fields}

    def check(self, subkey: bytes, data: bytes | None) -> None:
        """Raise GuestTrapped for a row that the type cannot have."""
        name, mark, rest = subkey.partition(b"\x00")
        kind = self._kinds.get(name)
        tag = mark + rest[:1]
        fits = tag == VALUE if kind == "value" else tag in {SIZE, ENTRY}
        if kind is None or not fits:
            raise GuestTrapped(f"sandboxed code writes the row {subkey[:100]!r}, which no field of its type has")
        try:
            self._check_row(kind, tag, rest[1:], data)
        except (ValueError, InvalidArgument, struct.error, IndexError) as error:
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
        elif kind != "set":
            check_plain(data)
