"""The directory row of an object: that it exists, the version of the type that wrote it, and when it was last changed.

header = version:u8 | version:u32 changed-ms:u64        (changed-ms only counts for types with a time to live; else 0)
"""

from __future__ import annotations

import struct
from typing import NamedTuple

GRAINS = 8
"""The time of the last change is kept to this part of a time to live."""

_long = struct.Struct(">IQ")
_SHORT_MAX = 255


class Header(NamedTuple):
    """What the directory row of an object says. changed_ms: coarse, since the epoch; 0 if its type keeps no time."""

    version: int
    changed_ms: int = 0

    def encode(self) -> bytes:
        """The row."""
        if self.version <= _SHORT_MAX and not self.changed_ms:
            return bytes([self.version])
        return _long.pack(*self)

    def over_ms(self, life_ms: int) -> int:
        """When an object with a time to live is deleted: it was last changed within a grain after `changed_ms`."""
        return self.changed_ms + life_ms + -(-life_ms // GRAINS)


def decode_header(data: bytes) -> Header:
    """The header in a directory row."""
    return Header(data[0]) if len(data) == 1 else Header(*_long.unpack_from(data))
