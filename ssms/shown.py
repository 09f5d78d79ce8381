"""Arguments and answers of questions about a store, as bytes: values without any code in them (never pickled)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from automata.values.dynamic import decode_dynamic, encode_dynamic


def encode_shown(value: object) -> bytes:
    """A value, or a sequence of arguments, as bytes. Raises InvalidArgument for what cannot be carried."""
    return encode_dynamic(list(value) if isinstance(value, tuple) else value)


def decode_shown(data: bytes) -> object:
    """The value again."""
    return decode_dynamic(data)


def decode_arguments(data: bytes) -> Sequence[object]:
    """The arguments again."""
    return cast("list[object]", decode_dynamic(data))
