"""Core modules that do harm when they run: each has a method `begin`, which writes a row, and `go`, which attacks."""

from __future__ import annotations

from dataclasses import dataclass

from automata.sandbox.limits import SandboxLimits
from tests.core_modules import core_module, described, method

CEILING = SandboxLimits(seconds=60.0, fuel=1 << 50)
"""Of the host: on a busy machine each attack must meet its own limit all the same."""

LIMITS = {"seconds": 30, "writes": 100, "sends": 200, "read_bytes": 1 << 20, "fuel": 1 << 50}
"""Of an attack that meets another limit than that of its time, which is quick then."""

SHORT = {**LIMITS, "read_bytes": 64 << 20, "host_calls": 1 << 40, "reads": 1 << 40, "seconds": 0.2}
"""Of one that goes on until its time is over."""

_TEXTS = {
    0: "row",
    8: "Guest",
    16: "Bystander",
    32: "victim",
    40: "poke",
    48: "_secret",
    56: "\\91\\01",
    64: "one",
    72: "go",
    80: "\\90",
    88: "\\ff\\fe",
    96: "echo",
}
_MARK = "(call $put (i32.const 0) (i32.const 3) (i32.const 96) (i32.const 4))"
_GROWN = "(drop (memory.grow (i32.const 900)))"
_MAPS = "(i64.store (i32.const 65536) (i64.const 0x80808000093d00dd)) " + (
    "(memory.fill (i32.const 65541) (i32.const 0x80) (i32.const 4000000))"
)
"""An array of four million empty maps, a byte each."""

_WHOM = "(i32.const 16) (i32.const 9) (i32.const 32) (i32.const 6)"
_POKE = f"{_WHOM} (i32.const 40) (i32.const 4) (i32.const 56) (i32.const 2)"
_WITH_MAPS = f"(call ${{}} {_WHOM} (i32.const 40) (i32.const 4) (i32.const 65536) (i32.const 4000005) {{}})"
_SECRET = _POKE.replace("(i32.const 40) (i32.const 4)", "(i32.const 48) (i32.const 7)")
_ITSELF = (
    "(i32.const 8) (i32.const 5) (i32.const 64) (i32.const 3) (i32.const 72) (i32.const 2) (i32.const 80) (i32.const 1)"
)


@dataclass(frozen=True)
class Attack:
    """data: the module. error: the name of the error that its caller gets; says: a part of its text, or its limit.

    long: it goes on until a limit stops it, so that others have to make progress meanwhile.
    """

    data: bytes
    error: str
    says: str
    long: bool = False

    @property
    def limits(self) -> dict[str, float]:
        """What it may use."""
        return SHORT if self.long else LIMITS


def guest(body: str, rest: str = "", readonly: bool = False, result: object = "none", mark: bool = True) -> bytes:
    """The module of an attack. mark: it changes its row before it attacks."""
    texts = "".join(f'(data (i32.const {at}) "{text}")' for at, text in _TEXTS.items())
    made = described([method("begin"), method("go", result=result, readonly=readonly), method("_secret")])
    return core_module(
        made,
        f"""{texts} {rest}
        (func (export "Guest.begin") (call $put (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 3)))
        (func (export "Guest._secret"))
        (func $go (export "Guest.go") {"(result i64)" if result == "int" else ""} {_MARK if mark else ""} {body})""",
    )


def forever(body: str, first: str = "") -> bytes:
    """The same again and again."""
    return guest(f"{first} (loop $l {body} (br $l))")


def limited(data: bytes, limit: str, long: bool = False) -> Attack:
    """What meets a limit."""
    return Attack(data, "LimitExceeded", f"(limit: {limit})", long)


def trapped(data: bytes, says: str = "") -> Attack:
    """What traps, or is trapped."""
    return Attack(data, "GuestTrapped", says)


def _spinning() -> dict[str, Attack]:
    return {
        "an endless loop": limited(forever("nop"), "seconds", long=True),
        "an endless loop of calls of the host": limited(forever("(drop (call $now))"), "seconds", long=True),
        "an endless loop of reads": limited(
            forever("(drop (call $get (i32.const 0) (i32.const 3) (i32.const 200) (i32.const 4)))"),
            "seconds",
            long=True,
        ),
        "an endless loop of scans": limited(
            forever(
                "(drop (call $scan (i32.const 0)(i32.const 0)(i32.const 0)(i32.const 0)(i32.const -1)(i32.const 0)"
                "(i32.const 200) (i32.const 100)))"
            ),
            "seconds",
            long=True,
        ),
        "chance without end": limited(
            forever("(call $random (i32.const 200) (i32.const 60000))", _GROWN), "read_bytes"
        ),
        "a log without end": limited(
            forever("(call $log (i32.const 10) (i32.const 0) (i32.const 0))"), "seconds", long=True
        ),
        "endless recursion": limited(guest("(call $f)", "(func $f (call $f) (call $f))"), "stack"),
        "endless recursion of two": limited(
            guest("(call $a)", "(func $a (call $b)) (func $b (call $a) (call $a))"), "stack"
        ),
        "recursion with a large frame": limited(
            guest(
                "(drop (call $f (i64.const 1)))",
                "(func $f (param i64) (result i64) (local i64 i64 i64 i64 i64 i64 i64)"
                "(i64.add (call $f (local.get 0)) (call $f (local.get 1))))",
            ),
            "stack",
        ),
        "filling its memory again and again": Attack(
            forever("(memory.fill (i32.const 0) (i32.const 7) (i32.const 59000000))", _GROWN),
            "LimitExceeded",
            "(limit: seconds)",
            True,
        ),
        "a table that grows": trapped(
            guest(
                "(loop $l (br_if $l (i32.ne (table.grow (ref.null func) (i32.const 1000)) (i32.const -1))))"
                " unreachable",
                "(table 0 funcref)",
            ),
            "unreachable",
        ),
        "a memory that grows": trapped(
            guest("(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable"), "unreachable"
        ),
        "two billion pages": trapped(
            guest("(if (i32.eq (memory.grow (i32.const 0x7fffffff)) (i32.const -1)) (then unreachable))"), "unreachable"
        ),
    }


def _writing() -> dict[str, Attack]:
    put = "(call $put (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {}))"
    every = "(i32.store (i32.const 300) (i32.add (i32.load (i32.const 300)) (i32.const 1)))"
    return {
        "a key that is too long": limited(guest(put.format(0, 5000, 0, 1)), "key_bytes"),
        "a key of all its memory": limited(guest(_GROWN + put.format(0, 59_000_000, 0, 1)), "key_bytes"),
        "a value that is too long": limited(guest(_GROWN + put.format(0, 3, 0, 5_000_000)), "value_bytes"),
        "rows without end": limited(forever(every + put.format(300, 4, 0, 1)), "writes"),
        "bytes without end": limited(forever(every + put.format(300, 4, 0, 4_000_000), _GROWN), "write_bytes"),
        "messages without end": limited(forever(f"(call $send {_POKE} (f64.const 0))"), "sends"),
        "messages for later without end": limited(forever(f"(call $send {_POKE} (f64.const 9))"), "sends"),
        "a message of all its memory": limited(
            guest(
                _GROWN
                + f"(call $send {_POKE} (f64.const 0))".replace(
                    "(i32.const 56) (i32.const 2)", "(i32.const 0) (i32.const 59000000)"
                )
            ),
            "value_bytes",
        ),
        "a message of four million empty maps": limited(
            guest(_GROWN + _MAPS + _WITH_MAPS.format("send", "(f64.const 0)")), "elements"
        ),
        "four million empty maps for later": limited(
            guest(_GROWN + _MAPS + _WITH_MAPS.format("send", "(f64.const 9)")), "elements"
        ),
        "a call of four million empty maps": limited(
            guest(_GROWN + _MAPS + "(drop " + _WITH_MAPS.format("call", "") + ")"), "elements"
        ),
        "deleting for ever": limited(forever(every + "(call $delete (i32.const 300) (i32.const 4))"), "writes"),
        "a write in a readonly method": Attack(guest("", readonly=True), "ReadOnlyError", "readonly"),
        "a deletion in a readonly method": Attack(
            guest("(call $delete (i32.const 0) (i32.const 3))", readonly=True, mark=False), "ReadOnlyError", ""
        ),
        "a message of a readonly method": Attack(
            guest(f"(call $send {_POKE} (f64.const 0))", readonly=True, mark=False), "ReadOnlyError", "readonly"
        ),
        "a message for later of a readonly method": Attack(
            guest(f"(call $send {_POKE} (f64.const 1))", readonly=True, mark=False), "ReadOnlyError", "readonly"
        ),
        "a call of a readonly method that writes": Attack(
            guest(f"(drop (call $call {_POKE}))", readonly=True, mark=False), "ReadOnlyError", "readonly"
        ),
        "a message to a private method of another application": Attack(
            guest(f"(call $send {_SECRET} (f64.const 0))"), "NotPublic", "private"
        ),
        "the same for later": Attack(guest(f"(call $send {_SECRET} (f64.const 1))"), "NotPublic", "private"),
    }


def _answering() -> dict[str, Attack]:
    def reply(data: str, size: int, result: object) -> bytes:
        return guest(
            f"(call $reply (i32.const 400) (i32.const {size}))", f'(data (i32.const 400) "{data}")', result=result
        )

    codes = {  # the payload says ["collections", "OrderedDict", ...] or an array of some terabytes
        f"an answer with extension {code}": trapped(
            reply(f"\\c7\\06{code:02x}".replace(f"{code:02x}", f"\\{code:02x}") + "\\93\\a1a\\a1b\\80", 9, "any"),
            "is not what it declares",
        )
        for code in (12, 13, 14, 15, 16, 18, 20, 127, 255)
    }
    return codes | {
        "an answer that is no UTF-8": trapped(reply("\\ff\\fe", 2, "str"), "UTF-8"),
        "an answer that is no MessagePack": trapped(reply("\\c1\\c1", 2, "any"), "is not what it declares"),
        "an answer that is cut off": trapped(
            reply("\\dd\\ff\\ff\\ff\\ff", 5, ["list", "int"]), "is not what it declares"
        ),
        "an answer of another type": trapped(reply("\\a1x", 2, ["list", "int"]), "is not what it declares"),
        "no answer": trapped(guest("", result=["list", "int"]), "is not what it declares"),
        "lists in lists in lists": trapped(
            guest(
                "(memory.fill (i32.const 400) (i32.const 0x91) (i32.const 20000))"
                "(call $reply (i32.const 400) (i32.const 20000))",
                result="any",
            ),
            "is not what it declares",
        ),
        "an answer of four million empty maps": trapped(
            guest(_GROWN + _MAPS + "(call $reply (i32.const 65536) (i32.const 4000005))", result="any"), "elements"
        ),
        "an error text of all its memory": limited(
            guest(_GROWN + "(call $fail (i32.const 0) (i32.const 59000000))"), "value_bytes"
        ),
        "an error text that is no UTF-8": Attack(guest("(call $fail (i32.const 88) (i32.const 2))"), "RemoteError", ""),
        "calling nothing through a table": trapped(
            guest("(call_indirect (i32.const 5))", "(table 10 funcref)"), "uninitialized"
        ),
        "dividing by zero": trapped(guest("(drop (i32.div_u (i32.const 1) (i32.const 0)))"), "divide by zero"),
        "reading beyond its memory": trapped(guest("(drop (i32.load (i32.const -4)))"), "out of bounds"),
    }


ATTACKS = {**_spinning(), **_writing(), **_answering()}

_COUNT = (
    "(drop (call $get (i32.const 0) (i32.const 3) (i32.const 400) (i32.const 1)))"
    "(i32.store8 (i32.const 400) (i32.add (i32.load8_u (i32.const 400)) (i32.const 1)))"
    "(call $put (i32.const 0) (i32.const 3) (i32.const 400) (i32.const 1))"
)


def bomb(delay: str) -> bytes:
    """A method that sends itself twenty times, and counts in its row how often it has come to an end."""
    sends = f"(call $send {_ITSELF} (f64.const {delay}))" * 20
    return guest(_COUNT + sends, mark=False)


ITSELF = guest(f"(drop (call $call {_ITSELF}))")
"""A method that calls itself, through its host, without end."""
