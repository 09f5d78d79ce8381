"""A component whose exports give back what they get, of each type that passes between components and their host."""

from __future__ import annotations

from wasmtime import wat2wasm

HOST = "host"
BYTES = "(list u8)"
ROWS = f"(list (tuple {BYTES} {BYTES}))"
TYPES = {
    "bytes": BYTES,
    "rows": ROWS,
    "text": "string",
    "u32": "u32",
    "u64": "u64",
    "f64": "f64",
    "bool": "bool",
    "texts": "(list string)",
}
_FLAT = {"u32": "i32", "u64": "i64", "f64": "f64", "bool": "i32"}

_MEMORY = """
(core module $libc (memory (export "memory") 17) (global $top (mut i32) (i32.const 4096))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (loop $grow (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
      (then (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $grow))))
    (local.get $at)))
(core instance $libc (instantiate $libc))
(alias core export $libc "memory" (core memory $mem)) (alias core export $libc "realloc" (core func $realloc))
"""
_OPTIONS = "(memory $mem) (realloc $realloc)"


def _echo(name: str) -> str:
    flat = _FLAT.get(TYPES[name])
    if flat is not None:
        return f'(func (export "{name}") (param {flat}) (result {flat}) (local.get 0))'
    return (
        f'(func (export "{name}") (param i32 i32) (result i32) (i32.store (i32.const 0) (local.get 0))'
        " (i32.store (i32.const 4) (local.get 1)) (i32.const 0))"
    )


def _lift(name: str, kind: str, module: str) -> str:
    return (
        f'(alias core export ${module} "{name}" (core func ${name})) (func (export "{name}") (param "it" {kind})'
        f" (result {kind}) (canon lift (core func ${name}) {_OPTIONS}))"
    )


def echo_component() -> bytes:
    """Its exports are named as in TYPES."""
    return bytes(
        wat2wasm(f"""(component {_MEMORY}
          (core module $m (import "libc" "memory" (memory 1)) {" ".join(map(_echo, TYPES))})
          (core instance $i (instantiate $m (with "libc" (instance $libc))))
          {" ".join(_lift(name, kind, "i") for name, kind in TYPES.items())})""")
    )


def asking_component(given: str, result: str) -> bytes:
    """Its export `run` takes and gives bytes. It calls the import `ask` with its bytes, and gives what it gets.

    given, result: the types by which it imports `ask`. Other types than bytes get the same address and length.
    """
    gives = f"(result {result})" if result else ""
    core = "(param i32 i32 i32)" if result else "(param i32 i32)"
    return bytes(
        wat2wasm(f"""(component
          (import "{HOST}" (instance $host (export "ask" (func (param "it" {given}) {gives})))) {_MEMORY}
          (alias export $host "ask" (func $ask)) (core func $ask (canon lower (func $ask) {_OPTIONS}))
          (core module $m (import "libc" "memory" (memory 1)) (import "host" "ask" (func $ask {core}))
            (func (export "run") (param i32 i32) (result i32)
              (call $ask (local.get 0) (local.get 1) {"(i32.const 0)" if result else ""}) (i32.const 0)))
          (core instance $i (instantiate $m (with "libc" (instance $libc))
            (with "host" (instance (export "ask" (func $ask))))))
          {_lift("run", BYTES, "i")})""")
    )
