"""Addresses, lengths and numbers of all kinds handed to every host function."""

from __future__ import annotations

import asyncio
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automata import errors, ref
from automata.sandbox.core_functions import FUNCTIONS
from tests.core_modules import core_module, described, method, modules_app, take

_MEMORY = 2 << 16
_FITTING = {"i32": "int", "f64": "float"}
_NASTY = [
    0,
    1,
    4,
    8,
    _MEMORY - 1,
    _MEMORY,
    _MEMORY + 1,
    1 << 31,
    (1 << 31) - 1,
    (1 << 32) - 1,
    (1 << 32) - 4,
    -1,
    -(1 << 31),
]

numbers = st.one_of(st.sampled_from(_NASTY), st.integers(0, 64), st.integers(-(1 << 31), (1 << 32) - 1))
floats = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 1e300, math.nan, math.inf, -1.0, 1e-9]))


def probing() -> bytes:
    """A module with a method for each host function, which hands on what it is given; `begin` writes a row."""
    methods, bodies = [method("begin")], []
    for name, (parameters, result, _) in FUNCTIONS.items():
        methods.append(method(f"f_{name}", *(_FITTING[kind] for kind in parameters)))
        declared = " ".join("i64" if kind == "i32" else "f64" for kind in parameters)
        given_ = " ".join(
            f"(i32.wrap_i64 (local.get {at}))" if kind == "i32" else f"(local.get {at})"
            for at, kind in enumerate(parameters)
        )
        call = f"(call ${name} {given_})"
        bodies.append(
            f'(func (export "Guest.f_{name}") {f"(param {declared})" if declared else ""} '
            f"(call $put (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 1)) "
            f"{f'(drop {call})' if result else call})"
        )
    bodies.append('(func (export "Guest.begin") (call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)))')
    texts = '(data (i32.const 0) "Guest") (data (i32.const 8) "\\90") (data (i32.const 16) "\\c1\\ff")'
    return core_module(described(methods), texts + "".join(bodies))


_MEANT = (
    errors.GuestTrapped,
    errors.LimitExceeded,
    errors.RemoteError,
    errors.InvalidArgument,
    errors.UnknownType,
    errors.UnknownMethod,
    errors.NotPublic,
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_host_function_takes_or_refuses_whatever_it_is_given(name: str) -> None:
    parameters = FUNCTIONS[name][0]
    drawn = st.tuples(*(floats if kind == "f64" else numbers for kind in parameters))
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        opened = modules_app(Path(folder))
        app = runner.run(opened.__aenter__())
        try:
            runner.run(take(app, Path(folder), probing()))

            async def attempt(values: tuple[int | float, ...]) -> None:
                victim = ref("Guest", "one")
                await app.delete(victim)
                await victim.begin()
                before = await app.inspect(victim)
                try:
                    await getattr(victim, f"f_{name}")(*values)
                except _MEANT:
                    assert await app.inspect(victim) == before

            @settings(max_examples=settings().max_examples // 2 if parameters else 1)
            @given(drawn)
            def attempts(values: tuple[int | float, ...]) -> None:
                runner.run(attempt(values))

            attempts()
        finally:
            runner.run(opened.__aexit__(None, None, None))


@pytest.mark.parametrize("address", [_MEMORY, -1, (1 << 32) - 4, 1 << 31])
def test_where_alloc_says_is_checked_like_any_address(address: int, tmp_path: Path) -> None:
    at = address - (1 << 32) if address >= 1 << 31 else address
    data = core_module(
        described([method("go", "bytes")]),
        f'(func (export "alloc") (param i32) (result i32) (i32.const {at})) (func (export "Guest.go") (param i32 i32))',
    )

    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            await take(app, tmp_path, data)
            with pytest.raises(errors.GuestTrapped, match="in a memory of"):
                await ref("Guest", "one").go(b"12345678")

    asyncio.run(scenario())


def test_arguments_larger_than_the_memory_are_refused(tmp_path: Path) -> None:
    data = core_module(
        described([method("go", "bytes")]),
        '(func (export "alloc") (param i32) (result i32) (i32.const 0)) (func (export "Guest.go") (param i32 i32))',
    )

    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            await take(app, tmp_path, data)
            await ref("Guest", "one").go(bytes(_MEMORY))
            with pytest.raises(errors.GuestTrapped, match="in a memory of"):
                await ref("Guest", "one").go(bytes(_MEMORY + 1))

    asyncio.run(scenario())
