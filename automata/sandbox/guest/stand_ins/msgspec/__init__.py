"""Stands in for msgspec: MessagePack as it writes and reads it, and its conversions of single values."""

from . import msgpack
from .conversion import convert, to_builtins
from .errors import DecodeError, MsgspecError, ValidationError
from .structs import Raw, Struct

__all__ = [
    "DecodeError",
    "MsgspecError",
    "Raw",
    "Struct",
    "ValidationError",
    "convert",
    "msgpack",
    "to_builtins",
]
