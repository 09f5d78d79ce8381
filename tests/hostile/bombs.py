"""Small modules that ask for much: as bytes, since text of them would be long."""

from __future__ import annotations

import json

from tests.core_modules import described, method

_END = b"\x0b"
I32, I64 = 0x7F, 0x7E


def unsigned(number: int) -> bytes:
    """LEB128."""
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def signed(number: int) -> bytes:
    """Signed LEB128."""
    out = bytearray()
    while True:
        low = number & 0x7F
        number >>= 7
        if (number == 0 and not low & 0x40) or (number == -1 and low & 0x40):
            return bytes([*out, low])
        out.append(low | 0x80)


def section(number: int, *items: bytes) -> bytes:
    """A section that is a vector."""
    body = unsigned(len(items)) + b"".join(items)
    return bytes([number]) + unsigned(len(body)) + body


def code(body: bytes, locals_: bytes = b"\0") -> bytes:
    """The code of one function."""
    whole = locals_ + body + _END
    return unsigned(len(whole)) + whole


def export(name: str, kind: int, index: int) -> bytes:
    """An export."""
    return unsigned(len(name)) + name.encode() + bytes([kind]) + unsigned(index)


def module(
    functions: list[bytes] | None = None,
    memory: bytes = b"\0\x02",
    tables: tuple[bytes, ...] = (),
    data: tuple[bytes, ...] = (),
    types: int = 0,
) -> bytes:
    """A module of the type Guest with the method `go`; functions: the code of others; types: how many more."""
    text = json.dumps(described([method("go")])).encode()
    place = b"\x42" + signed((1024 << 32) | len(text))
    more = functions or []
    return (
        b"\0asm\x01\0\0\0"
        + section(
            1, b"\x60\0\0", b"\x60\0\x01\x7e", *(b"\x60\0" + unsigned(2) + bytes([I32, I64]) for _ in range(types))
        )
        + section(3, b"\x01", b"\0", *(b"\0" for _ in more))
        + (section(4, *tables) if tables else b"")
        + section(5, memory)
        + section(7, export("memory", 2, 0), export("describe", 0, 0), export("Guest.go", 0, 1))
        + section(10, code(place), code(b""), *more)
        + section(11, b"\0\x41" + signed(1024) + _END + unsigned(len(text)) + text, *data)
    )


def bombs() -> dict[str, bytes]:
    """By what they are."""
    many_locals = code(b"", unsigned(1) + unsigned(50_000) + bytes([I64]))
    nested = code(b"\x02\x40" * 100_000 + _END * 100_000)
    return {
        "a harmless module": module(),
        "a memory of 4 GiB": module(memory=b"\0" + unsigned(65_536)),
        "a table of ten million": module(tables=(b"\x70\0" + unsigned(10_000_000),)),
        "eleven tables": module(tables=(b"\x70\0" + unsigned(1_000),) * 11),
        "functions of fifty thousand locals": module(functions=[many_locals] * 100),
        "a hundred thousand blocks in one another": module(functions=[nested]),
        "a million types": module(types=1_000_000),
        "data of a place far away": module(data=(b"\0\x41" + signed(-65_536) + _END + unsigned(4) + b"abcd",)),
        "much data in one place": module(data=(b"\0\x41" + signed(0) + _END + unsigned(60_000) + bytes(60_000),) * 200),
        "a long chain of additions": module(functions=[code(b"\x41\x01" + b"\x41\x01\x6a" * 50_000 + b"\x1a")]),
    }
