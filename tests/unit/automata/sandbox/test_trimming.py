"""What a built component has done once and for all is taken out of it, and nothing else."""

from __future__ import annotations

import pytest
from wasmtime import Config, Engine, Store, WasmtimeError, wat2wasm
from wasmtime.component import Component, Linker

from automata.sandbox.trimming import trimmed

LIBRARIES = """
(component
  (core module $first
    (memory (export "memory") 1)
    (table (export "table") 4 8 funcref)
    (global (export "base") i32 (i32.const 40))
    (global (export "top") (mut i64) (i64.const 0))
    (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))
  (core module $second
    (import "first" "add" (func $add (param i32 i32) (result i32)))
    (import "first" "memory" (memory 1))
    (import "first" "table" (table 1 8 funcref))
    (import "first" "base" (global $base i32))
    (import "first" "top" (global (mut i64)))
    (func $before (export "before") (result i32) i32.const 7)
    (func $moves (export "MOVES") i32.const 0 i32.const 1 i32.store)
    (func $after (export "after") (result i32) global.get $base i32.const 2 call $add))
  (core instance $a (instantiate $first))
  (core instance $b (instantiate $second (with "first" (instance $a))))
  (func (export "before") (result u32) (canon lift (core func $b "before")))
  (func (export "moves") (canon lift (core func $b "MOVES")))
  (func (export "after") (result u32) (canon lift (core func $b "after"))))
"""


def component(name: str) -> bytes:
    """Libraries, one of which moves its pointers by a function of this name."""
    return bytes(wat2wasm(LIBRARIES.replace("MOVES", name)))


def call(data: bytes, name: str) -> object:
    """What a function of a component returns."""
    config = Config()
    config.signals_based_traps = False  # whatever else handles signals in this process
    engine = Engine(config)
    store = Store(engine)
    instance = Linker(engine).instantiate(store, Component(engine, data))
    function = instance.get_func(store, name)
    assert function is not None
    return function(store)


def test_the_code_that_moves_pointers_is_left_out_and_all_else_is_as_it_was() -> None:
    data = component("__wasm_apply_data_relocs")
    assert call(data, "moves") is None
    left = trimmed(data)
    assert len(left) < len(data)
    with pytest.raises(WasmtimeError, match="unreachable"):
        call(left, "moves")
    assert (call(left, "before"), call(left, "after")) == (7, 42)
    assert trimmed(left) == left


def test_a_function_of_another_name_stays() -> None:
    data = component("apply")
    assert trimmed(data) == data


def test_a_module_that_imports_what_is_not_read_stays_as_it_is() -> None:
    data = bytes(
        wat2wasm(
            "(component (core module"
            ' (import "a" "f" (func)) (import "a" "g" (global externref))'
            ' (func (export "__wasm_apply_data_relocs"))))'
        )
    )
    assert trimmed(data) == data
