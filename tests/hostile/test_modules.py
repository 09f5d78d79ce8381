"""Modules that are damaged, lie, or ask for much: refused when they are uploaded, and the process goes on."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wasmtime import Module, WasmtimeError, wat2wasm

from automata import errors, ref
from automata.sandbox.binary import TEXT_BYTES_MAX, assembled, kind_of
from automata.sandbox.checking import examine
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.machine import machine
from automata.sandbox.record import CORE
from tests.core_modules import core_module, described, method, modules_app, take, upload
from tests.hostile.bombs import bombs
from tests.sandbox_tools import tools

_GOOD = tools()
_LIMITS = SandboxLimits(seconds=1.0, fuel=10_000_000)


def examined(data: bytes) -> None:
    """What an upload does with a module, in this process. Raises ModuleRefused, and nothing else."""
    if kind_of(data, _LIMITS) != CORE:
        return
    try:
        compiled = Module(machine().core_engine, data).serialize()
    except WasmtimeError:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "compiled"
        path.write_bytes(compiled)
        examine(machine(), CORE, path, _LIMITS)


@given(st.sampled_from([b"", b"\0asm", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"]), st.binary(max_size=200))
def test_random_bytes_are_refused(head: bytes, rest: bytes) -> None:
    try:
        examined(head + rest)
    except errors.ModuleRefused:
        return
    assert head.endswith(b"\0")


@settings(max_examples=settings().max_examples // 2)
@given(st.lists(st.tuples(st.integers(0, len(_GOOD) - 1), st.integers(0, 7)), min_size=1, max_size=6))
def test_modules_with_flipped_bits_are_refused_or_run_in_their_sandbox(flips: list[tuple[int, int]]) -> None:
    data = bytearray(_GOOD)
    for at, bit in flips:
        data[at] ^= 1 << bit
    try:
        examined(bytes(data))
    except errors.ModuleRefused as error:
        assert str(error)  # noqa: PT017 - either way is right, and this is what is known of the one


@given(st.integers(0, len(_GOOD) - 1))
def test_modules_that_are_cut_off_are_refused(size: int) -> None:
    try:
        kind_of(_GOOD[:size], _LIMITS)
    except errors.ModuleRefused:
        return
    try:
        Module.validate(machine().core_engine, _GOOD[:size])
    except WasmtimeError:
        return
    with pytest.raises(errors.ModuleRefused):  # cut between two sections, it is a module that lacks what it needs
        examined(_GOOD[:size])


@given(st.binary(max_size=100).map(lambda rest: b"(module" + rest))
def test_text_that_is_no_module_is_refused(text: bytes) -> None:
    try:
        data = assembled(text, _LIMITS)
    except errors.ModuleRefused:
        return
    assert data.startswith(b"\0asm")


def test_text_in_parentheses_without_end_or_of_any_size_is_refused() -> None:
    for text in (b"(module" * 500_000, b"(module " + b"(" * 1_000_000, b"(module" + b" " * TEXT_BYTES_MAX + b")"):
        with pytest.raises(errors.ModuleRefused):
            assembled(text, _LIMITS)


def refused(data: bytes, says: str) -> None:
    """An upload of it is refused, with this in the message, and leaves nothing."""

    async def scenario(folder: Path) -> None:
        async with modules_app(folder) as app:
            with pytest.raises(errors.ModuleRefused, match=says):
                await take(app, folder, data, limits={"seconds": 0.2, "fuel": 1 << 50})
            assert [one async for one in app.uploads()] == []
            assert list((folder / "modules").iterdir()) == []

    with tempfile.TemporaryDirectory() as name:
        asyncio.run(scenario(Path(name)))


def exporting(export: str, describes: object = None) -> bytes:
    return core_module(describes or described([method("go", "int", result="int")]), export)


LIES = {
    "an export that is not there": (exporting(""), "no function 'Guest.go'"),
    "an export that is a global": (
        exporting('(global (export "Guest.go") i32 (i32.const 1))'),
        "no function 'Guest.go'",
    ),
    "an export that is a table": (exporting('(table (export "Guest.go") 1 funcref)'), "no function 'Guest.go'"),
    "an export that takes nothing": (exporting('(func (export "Guest.go") (result i64) (i64.const 1))'), "is not"),
    "an export that gives another type": (
        exporting('(func (export "Guest.go") (param i64) (result i32) (i32.const 1))'),
        "is not",
    ),
    "an export that gives two": (
        exporting('(func (export "Guest.go") (param i64) (result i64 i64) (i64.const 1) (i64.const 1))'),
        "is not",
    ),
    "no alloc": (
        exporting('(func (export "Guest.go") (param i32 i32))', described([method("go", "str")])),
        "no function 'alloc'",
    ),
    "an alloc of another type": (
        exporting(
            '(func (export "alloc")) (func (export "Guest.go") (param i32 i32))', described([method("go", "str")])
        ),
        "'alloc' is not",
    ),
    "a memory that is a function": (
        core_module(described([]), '(func (export "memory"))', memory="(memory 2)"),
        "no memory",
    ),
    "a memory that is a global": (
        core_module(described([]), '(global (export "memory") i32 (i32.const 0))', memory="(memory 2)"),
        "no memory",
    ),
    "a memory that is a table": (
        core_module(described([]), '(table (export "memory") 1 funcref)', memory="(memory 2)"),
        "no memory",
    ),
    "no memory": (core_module(described([]), "", memory="(memory 2)"), "no memory"),
    "a start that loops": (core_module(described([]), "(func $f (loop $l (br $l))) (start $f)"), "too long"),
    "a start that traps": (core_module(described([]), "(func $f unreachable) (start $f)"), "unreachable"),
    "a start that calls its host": (
        core_module(described([]), "(func $f (drop (call $now))) (start $f)"),
        "host_calls",
    ),
    "a start that recurses": (core_module(described([]), "(func $f (call $f) (call $f)) (start $f)"), "too deep"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_module_that_is_not_what_it_says_is_refused(lie: str) -> None:
    refused(*LIES[lie])


def describing(body: str, more: str = "") -> bytes:
    return bytes(
        wat2wasm(f'(module (memory (export "memory") 1) {more} (func (export "describe") (result i64) {body}))')
    )


DESCRIPTIONS = {
    "loops": (describing("(loop $l (br $l)) unreachable"), "too long"),
    "traps": (describing("unreachable"), "unreachable"),
    "is out of bounds": (describing("(i64.const -1)"), "in a memory of"),
    "is of 4 GiB": (describing("(i64.const 0xffffffff)"), "in a memory of"),
    "wraps around": (describing("(i64.const 0xfffffff000001000)"), "in a memory of"),
    "is empty": (describing("(i64.const 0)"), "does not describe itself"),
    "is not there": (bytes(wat2wasm('(module (memory (export "memory") 1))')), "no function 'describe'"),
    "is a global": (
        bytes(wat2wasm('(module (memory (export "memory") 1) (global (export "describe") i64 (i64.const 0)))')),
        "no function 'describe'",
    ),
    "gives an i32": (
        bytes(wat2wasm('(module (memory (export "memory") 1) (func (export "describe") (result i32) (i32.const 0)))')),
        "is not",
    ),
}


@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_a_description_that_is_none_is_refused(what: str) -> None:
    refused(*DESCRIPTIONS[what])


WASI = ("fd_write", "path_open", "sock_send", "environ_get", "args_get", "clock_time_get", "random_get", "proc_exit")
IMPORTS = [
    *(f'(import "wasi_snapshot_preview1" "{name}" (func))' for name in WASI),
    '(import "env" "memory" (memory 1))',
    '(import "automata" "unknown" (func))',
    '(import "automata" "get" (global i32))',
    '(import "automata" "get" (func (param i64)))',
    '(import "automata" "now" (func (result i64)))',
    '(import "automata" "put" (func (param i32 i32 i32 i32) (result i32)))',
    '(import "automata" "get" (memory 1))',
    '(import "automata" "get" (table 1 funcref))',
]


@pytest.mark.parametrize("imported", IMPORTS)
def test_imports_that_a_sandbox_does_not_give_are_refused(imported: str) -> None:
    memory = "" if "memory 1" in imported else '(memory (export "memory") 1)'
    exported = '(export "memory" (memory 0))' if not memory else ""
    refused(
        bytes(
            wat2wasm(f'(module {imported} {memory} {exported} (func (export "describe") (result i64) (i64.const 0)))')
        ),
        "import|incompatible|cannot be examined",
    )


FEATURES = {
    "two memories": '(memory (export "memory") 1) (memory $more 1)',
    "a shared memory": '(memory (export "memory") 1 1 shared)',
    "a memory of 64 bits": '(memory (export "memory") i64 1)',
    "structs": '(memory (export "memory") 1) (type (struct (field i32)))',
    "more memory than allowed": '(memory (export "memory") 1025)',
}


@pytest.mark.parametrize("feature", FEATURES)
def test_what_of_webassembly_a_sandbox_does_not_run_is_not_compiled(feature: str) -> None:
    data = wat2wasm(f'(module {FEATURES[feature]} (func (export "describe") (result i64) (i64.const 0)))')
    with pytest.raises(WasmtimeError):
        Module(machine().core_engine, data)


HARMLESS = {
    "a harmless module",
    "functions of fifty thousand locals",
    "a hundred thousand blocks in one another",
    "a long chain of additions",
}


@pytest.mark.parametrize("bomb", bombs())
def test_a_small_module_that_asks_for_much_is_refused_or_costs_little(bomb: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            if bomb in HARMLESS:
                await upload(app, tmp_path, bombs()[bomb])
                assert await ref("Guest", "one").go() is None
                return
            with pytest.raises(errors.ModuleRefused):
                await upload(app, tmp_path, bombs()[bomb])
            assert list((tmp_path / "modules").iterdir()) == []

    asyncio.run(scenario())
