"""Takes out of a built component what it has done once and for all: moving its libraries' pointers to where they lie.

componentize-py keeps the memory as it is after that. What is left is a function in each library, that of CPython with
tens of thousands of stores in one block: a fourteenth of all code, on which a compiler spends a fifth of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

_HEAD_BYTES = 8
_MODULE = 1  # a section of a component
_IMPORTS, _EXPORTS, _CODE = 2, 7, 10  # sections of a core module
_FUNCTION, _TABLE, _MEMORY, _GLOBAL = range(4)
_NUMERIC = range(0x7B, 0x80)  # types whose values are numbers, one byte each
_DONE = b"__wasm_apply_data_relocs"
_TRAP = b"\x03\x00\x00\x0b"  # a function: its size, no locals, unreachable, end


class _Unexpected(Exception):
    """The module has something that this does not read: it stays as it is."""


def trimmed(component: bytes) -> bytes:
    """The component with all that it needs from now on."""
    return _rewritten(component, _MODULE, _trimmed_module)


def _trimmed_module(module: bytes) -> bytes:
    places = {kind: begin for kind, begin, _ in _sections(module)}
    if _EXPORTS not in places or _CODE not in places:
        return module
    try:
        imported = _imported_functions(module, places[_IMPORTS]) if _IMPORTS in places else 0
    except _Unexpected:
        return module
    done = {number - imported for number in _done(module, places[_EXPORTS])}
    return _rewritten(module, _CODE, lambda code: _without(code, done))


def _without(code: bytes, done: set[int]) -> bytes:
    """The functions of a module, of which some only trap if they are called again."""
    count, at = _number(code, 0)
    parts = [code[:at]]
    for index in range(count):
        size, body = _number(code, at)
        parts.append(_TRAP if index in done else code[at : body + size])
        at = body + size
    return b"".join(parts)


def _done(module: bytes, at: int) -> Iterator[int]:
    """The numbers of the functions whose exported name says that they have done what they are for."""
    count, at = _number(module, at)
    for _ in range(count):
        name, at = _name(module, at)
        number, after = _number(module, at + 1)
        if module[at] == _FUNCTION and name == _DONE:
            yield number
        at = after


def _imported_functions(module: bytes, at: int) -> int:
    """How many functions are imported: they have the first numbers."""
    functions = 0
    count, at = _number(module, at)
    for _ in range(count):
        _, at = _name(module, at)
        _, at = _name(module, at)
        kind, at = module[at], at + 1
        if kind == _FUNCTION:
            functions += 1
            _, at = _number(module, at)
        elif kind in {_TABLE, _MEMORY}:
            at = _after_limits(module, at + (kind == _TABLE))
        elif kind == _GLOBAL and module[at] in _NUMERIC:
            at += 2
        else:
            raise _Unexpected
    return functions


def _after_limits(module: bytes, at: int) -> int:
    bounded = module[at] & 1
    _, at = _number(module, at + 1)
    return _number(module, at)[1] if bounded else at


def _rewritten(data: bytes, which: int, rewrite: Callable[[bytes], bytes]) -> bytes:
    """A module or component with the content of all sections of one kind rewritten."""
    parts = [data[:_HEAD_BYTES]]
    for kind, begin, end in _sections(data):
        content = rewrite(data[begin:end]) if kind == which else data[begin:end]
        parts += [bytes([kind]), _encoded(len(content)), content]
    return b"".join(parts)


def _sections(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, begin and end of each section."""
    at = _HEAD_BYTES
    while at < len(data):
        size, begin = _number(data, at + 1)
        yield data[at], begin, begin + size
        at = begin + size


def _name(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = _number(data, at)
    return data[at : at + size], at + size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number (LEB128), and where it ends."""
    number = shift = 0
    while True:
        byte, at = data[at], at + 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at


def _encoded(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
