"""Values without an annotation as self-describing MessagePack.

Everything that MessagePack has is itself: nil, booleans, integers of 64 bits, floats, text, bytes, lists (arrays),
dictionaries (maps). The rest is an extension whose payload is MessagePack again, so any tool can walk it. Values of
annotated fields (`automata.values`) use the same extensions for what MessagePack cannot say, so `decode_dynamic`
reads them too, without their types. Version 1 of the codes, which are never reused::

    1  integer beyond 64 bits: two's complement, big-endian     9   time: ISO text
    2  tuple: array                                             10  timedelta: [days, seconds, microseconds]
    3  set: array                                               11  ref: [type name, key]
    4  frozenset: array                                         12  enum member: [module, qualname, name]
    5  Decimal: text                                            13  dataclass: [module, qualname, {field: value}]
    6  UUID: 16 bytes                                           14  NamedTuple: [module, qualname, [value...]]
    7  datetime: ISO text with its offset, if it has one        15  pydantic model: [module, qualname, record]
    8  date: ISO text                                           16  numpy array: [dtype, shape, bytes]
    17 dictionary with keys that no map can have: [[key, value]...]
    18 numpy scalar: as 16                                      19  complex: [real, imaginary]

Nothing is pickled and nothing is imported: a class is looked up among the imported modules, and must be what the code
says it is. A first byte 0xC1, which MessagePack never uses, is kept for a later version.
"""

from __future__ import annotations

from automata.values.exceptions import decode_exception, encode_exception
from automata.values.wire import WIRE_DECODER, WIRE_ENCODER, WIRE_NATIVE, from_bytes, to_bytes, to_wire

__all__ = ["decode_dynamic", "decode_exception", "encode_dynamic", "encode_exception"]


def encode_dynamic(value: object) -> bytes:
    """The bytes of `value`; `InvalidArgument` if it is of no kind listed above, a cycle, or nested too deep."""
    if type(value) in WIRE_NATIVE:
        try:
            return WIRE_ENCODER.encode(value)
        except (OverflowError, UnicodeEncodeError):
            pass  # an integer beyond 64 bits takes an extension; text with surrogates is refused with a sentence
    return to_bytes(to_wire(value))


def decode_dynamic(data: bytes) -> object:
    """The value that `encode_dynamic` made `data` of.

    Raises `InvalidArgument` if a class is not imported here, `ValueError` if the bytes are damaged.
    """
    return from_bytes(WIRE_DECODER, data)
