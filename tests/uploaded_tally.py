"""A counter as a core module, which calls and sends to another type: in several versions, for tests of uploads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wasmtime import Module, WasmtimeError

from automata.errors import ModuleRefused
from automata.sandbox.machine import machine

_METHODS: list[dict[str, Any]] = [
    {"name": "add", "parameters": [{"name": "by", "type": "int"}], "result": "int"},
    {"name": "get", "result": "int", "readonly": True},
    {"name": "ask", "parameters": [{"name": "of", "type": "str"}], "result": "int", "awaits": True},
    {"name": "tell", "parameters": [{"name": "whom", "type": "str"}], "result": "int"},
    {"name": "_hidden", "result": "int"},
]


def compile_here(kind: str, source: Path, target: Path) -> None:
    """In place of `automata.sandbox.compiling.compile_module`: in this process, which takes milliseconds."""
    try:
        target.write_bytes(Module(machine().core_engine, source.read_bytes()).serialize())
    except WasmtimeError as error:
        raise ModuleRefused(f"the module is no valid WebAssembly: {error}") from None


def tally(folder: Path, step: int = 1, type_name: str = "Tally", other: str = "ClusterPurse", **more: Any) -> Path:
    """The module as a file of text. step: how much `add` adds for each 1: another one is another version.

    ask(key) adds 1, awaits other/key.add(5), and adds 10; tell(key) sends add(7) to other/key, and adds 100.
    """
    methods = [*_METHODS, *([{"name": "reset", "result": "int"}] if more.pop("resets", False) else [])]
    manifest = json.dumps({"interface": 1, "types": [{"name": type_name, "methods": methods, **more}]}).encode()
    escaped = "".join(f"\\{byte:02x}" for byte in manifest)
    at = 1024
    file = folder / f"{type_name}-{step}-{len(methods)}.wat"
    file.write_text(f"""(module
  (import "automata" "get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "automata" "put" (func $put (param i32 i32 i32 i32)))
  (import "automata" "call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "automata" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 f64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "count")
  (data (i32.const 32) "{other}")
  (data (i32.const 96) "add")
  (data (i32.const 104) "\\91\\05")
  (data (i32.const 112) "\\91\\07")
  (data (i32.const {at}) "{escaped}")
  (func (export "describe") (result i64)
    (i64.or (i64.shl (i64.const {at}) (i64.const 32)) (i64.const {len(manifest)})))
  (func (export "alloc") (param i32) (result i32) (i32.const 512))
  (func $load (result i64)
    (drop (call $get (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 8)))
    (i64.load (i32.const 16)))
  (func $add (param $by i64) (result i64)
    (i64.store (i32.const 16) (i64.add (call $load) (local.get $by)))
    (call $put (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 8))
    (i64.load (i32.const 16)))
  (func (export "{type_name}.get") (result i64) (call $load))
  (func (export "{type_name}._hidden") (result i64) (call $load))
  (func (export "{type_name}.reset") (result i64) (call $add (i64.sub (i64.const 0) (call $load))))
  (func (export "{type_name}.add") (param $by i64) (result i64)
    (call $add (i64.mul (local.get $by) (i64.const {step}))))
  (func (export "{type_name}.ask") (param $key i32) (param $length i32) (result i64)
    (drop (call $add (i64.const 1)))
    (drop (call $call (i32.const 32) (i32.const {len(other)}) (local.get $key) (local.get $length)
      (i32.const 96) (i32.const 3) (i32.const 104) (i32.const 2)))
    (call $add (i64.const 10)))
  (func (export "{type_name}.tell") (param $key i32) (param $length i32) (result i64)
    (call $send (i32.const 32) (i32.const {len(other)}) (local.get $key) (local.get $length)
      (i32.const 96) (i32.const 3) (i32.const 112) (i32.const 2) (f64.const 0))
    (call $add (i64.const 100))))
""")
    return file
