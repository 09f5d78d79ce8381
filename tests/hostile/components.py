"""Components in WebAssembly text: what they answer is in them as data."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from wasmtime import wat2wasm

from automata.sandbox.component_guest import HOST
from tests.core_modules import described, method

MANIFEST = described(
    [method("go", result="any", awaits=True), method("take", "any"), method("read", result="any", readonly=True)],
    fields=[
        {"name": "total", "kind": "value", "type": "int", "default": "AA=="},
        {"name": "items", "kind": "list", "value": "int"},
        {"name": "names", "kind": "set", "value": "str"},
        {"name": "words", "kind": "map", "key": "str", "value": "any"},
    ],
)
"""A type with a field of each kind."""

BYTES = "(list u8)"
_NUMBER = '(param "n" u32)'
_ROWS = (
    f'(import "{HOST}" (instance $host (export "page" (func (param "begin" {BYTES}) (param "end" {BYTES})'
    f' (param "limit" u32) (param "backwards" bool) (result (list (tuple {BYTES} {BYTES}))))) '
    f'(export "now" (func (result f64))) (export "entropy" (func (param "count" u32) (result {BYTES})))'
    f' (export "log" (func (param "level" u32) (param "text" string))) (export "give" (func (param "part" {BYTES})))))'
)


def escaped(data: bytes) -> str:
    """Bytes in a text of WebAssembly."""
    return "".join(f"\\{byte:02x}" for byte in data)


def answering(answer: Any, body: str = "", describes: Any = None) -> bytes:
    """A component whose `run` does something and then answers this: bytes, or what MessagePack can say."""
    data = answer if isinstance(answer, bytes) else msgspec.msgpack.encode(answer)
    text = json.dumps(MANIFEST if describes is None else describes).encode()
    return bytes(
        wat2wasm(f"""(component {_ROWS}
      (core module $libc (memory (export "memory") 4) (global $top (mut i32) (i32.const 131072))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
          (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
          (global.set $top (i32.add (local.get $at) (local.get 3)))
          (loop $grow (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
            (then (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $grow))))
          (local.get $at))
        (data (i32.const 1024) "{escaped(text)}") (data (i32.const 65536) "{escaped(data)}"))
      (core instance $libc (instantiate $libc))
      (alias core export $libc "memory" (core memory $mem)) (alias core export $libc "realloc" (core func $realloc))
      (alias export $host "page" (func $rows)) (alias export $host "now" (func $now))
      (alias export $host "entropy" (func $entropy)) (alias export $host "log" (func $log))
      (alias export $host "give" (func $give)) (core func $give (canon lower (func $give) (memory $mem)))
      (core func $rows (canon lower (func $rows) (memory $mem) (realloc $realloc)))
      (core func $now (canon lower (func $now)))
      (core func $entropy (canon lower (func $entropy) (memory $mem) (realloc $realloc)))
      (core func $log (canon lower (func $log) (memory $mem)))
      (core module $m (import "libc" "memory" (memory 4))
        (import "host" "rows" (func $rows (param i32 i32 i32 i32 i32 i32 i32)))
        (import "host" "now" (func $now (result f64))) (import "host" "entropy" (func $entropy (param i32 i32)))
        (import "host" "log" (func $log (param i32 i32 i32))) (import "host" "give" (func $give (param i32 i32)))
        (func $gives (param i32 i32) (result i32)
          (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.const 0))
        (func (export "describe") (result i32) (call $gives (i32.const 1024) (i32.const {len(text)})))
        (func $run (export "run") (param i32 i32) (result i32) (local $n i32) {body}
          (call $gives (i32.const 65536) (i32.const {len(data)}))))
      (core instance $i (instantiate $m (with "libc" (instance $libc)) (with "host" (instance
        (export "rows" (func $rows)) (export "now" (func $now)) (export "entropy" (func $entropy))
        (export "log" (func $log)) (export "give" (func $give))))))
      (alias core export $i "describe" (core func $d)) (alias core export $i "run" (core func $r))
      (func (export "describe") (result {BYTES}) (canon lift (core func $d) (memory $mem) (realloc $realloc)))
      (func (export "run") (param "task" {BYTES}) (result {BYTES})
        (canon lift (core func $r) (memory $mem) (realloc $realloc))))""")
    )


def exporting(describe: str, run: str, imports: str = "") -> bytes:
    """A component with exports of these types, which do nothing."""
    flat = {"(param u32)": "(param i32)", f'(param "task" {BYTES})': "(param i32 i32)"}
    functions, lifts = [], []
    for name, kind in (("describe", describe), ("run", run)):
        if not kind:
            continue
        given, _, result = kind.partition("->")
        core = flat.get(given.strip(), "")
        functions.append(
            f'(func (export "{name}") {core} {"(result i32)" if result else ""} {"i32.const 0" if result else ""})'
        )
        lifts.append(
            f'(alias core export $i "{name}" (core func ${name})) (func (export "{name}") '
            f"{given.replace('(param u32)', _NUMBER)} {f'(result {result})' if result else ''}"
            f" (canon lift (core func ${name}) (memory $mem) (realloc $realloc)))"
        )
    return bytes(
        wat2wasm(f"""(component {imports} (core module $m (memory (export "memory") 1)
          (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0) {" ".join(functions)})
        (core instance $i (instantiate $m))
        (alias core export $i "memory" (core memory $mem)) (alias core export $i "realloc" (core func $realloc))
        {" ".join(lifts)})""")
    )
