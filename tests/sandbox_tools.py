"""A core module with a method for each host function, so that tests can ask for what they want to see."""

from __future__ import annotations

from typing import Any

from tests.core_modules import core_module, described, method

_SENT = ("str", "str", "str", "bytes")
_TO = " ".join(f"(local.get ${name}) (local.get ${name}n)" for name in ("type", "key", "method", "args"))
_TO_PARAMETERS = " ".join(f"(param ${name} i32) (param ${name}n i32)" for name in ("type", "key", "method", "args"))

METHODS = [
    method("put", "bytes", "bytes"),
    method("get", "bytes", result="bytes", readonly=True),
    method("delete", "bytes"),
    method("scan", "bytes", "bytes", "int", "bool", result="bytes", readonly=True),
    method("own_key", result="str", readonly=True),
    method("send", *_SENT, "float"),
    method("call", *_SENT, result="bytes"),
    method("count_calls", *_SENT, "int", result="int"),
    method("fail", "str"),
    method("put_then_fail", "bytes", "bytes"),
    method("log", "int", "str"),
    method("now", result="float"),
    method("random", "int", result="bytes"),
    method("add", "int", "int", result="int"),
    method("half", "float", result="float"),
    method("negate", "bool", result="bool"),
    method("echo_text", "str", result="str"),
    method("echo_bytes", "bytes", result="bytes"),
    method("echo_list", ["list", "int"], result=["list", "int"]),
    method("echo_map", ["dict", "str", ["tuple", "int", "float"]], result=["dict", "str", ["tuple", "int", "float"]]),
    method("echo_record", ["record", "P", [["x", "int", True]]], result=["record", "P", [["x", "int", True]]]),
    method("echo_any", "any", result="any"),
    method("spin_then_count", "int", result="int"),
    method("write_while_reading", readonly=True),
    method("send_while_reading", *_SENT, "float", readonly=True),
    method("call_while_reading", *_SENT, result="bytes", readonly=True),
    method("_secret", result="int"),
]

_ECHOES = "\n".join(
    f'(func (export "Guest.{entry["name"]}") (param $at i32) (param $n i32)'
    " (call $reply (local.get $at) (local.get $n)))"
    for entry in METHODS
    if entry["name"].startswith("echo_")
)

_BODY = f"""
(global $top (mut i32) (i32.const 65536))
(data (i32.const 0) "count")
(func $alloc (export "alloc") (param $n i32) (result i32) (local $at i32)
  (local.set $at (global.get $top))
  (global.set $top (i32.add (global.get $top) (local.get $n)))
  (local.get $at))
(func (export "Guest.put") (param $k i32) (param $kn i32) (param $v i32) (param $vn i32)
  (call $put (local.get $k) (local.get $kn) (local.get $v) (local.get $vn)))
(func (export "Guest.get") (param $k i32) (param $kn i32) (local $n i32)
  (local.set $n (call $get (local.get $k) (local.get $kn) (global.get $top) (i32.const 60000)))
  (if (i32.lt_s (local.get $n) (i32.const 0)) (then (call $fail (i32.const 0) (i32.const 5))))
  (call $reply (global.get $top) (local.get $n)))
(func (export "Guest.delete") (param $k i32) (param $kn i32) (call $delete (local.get $k) (local.get $kn)))
(func (export "Guest.scan")
  (param $b i32) (param $bn i32) (param $e i32) (param $en i32) (param $limit i64) (param $back i32)
  (call $reply (global.get $top)
    (call $scan (local.get $b) (local.get $bn) (local.get $e) (local.get $en) (i32.wrap_i64 (local.get $limit))
      (local.get $back) (global.get $top) (i32.const 60000))))
(func (export "Guest.own_key")
  (call $reply (global.get $top) (call $key (global.get $top) (i32.const 600))))
(func $sends (export "Guest.send") (export "Guest.send_while_reading") {_TO_PARAMETERS} (param $delay f64)
  (call $send {_TO} (local.get $delay)))
(func (export "Guest.call") (export "Guest.call_while_reading") {_TO_PARAMETERS} (local $n i32)
  (local.set $n (call $call {_TO}))
  (drop (call $result (global.get $top) (i32.const 60000)))
  (if (i32.lt_s (local.get $n) (i32.const 0))
    (then (call $fail (global.get $top) (i32.sub (i32.const -1) (local.get $n)))))
  (call $reply (global.get $top) (local.get $n)))
(func $load (result i64)
  (drop (call $get (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 8)))
  (i64.load (i32.const 16)))
(func $store (param $value i64)
  (i64.store (i32.const 16) (local.get $value))
  (call $put (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 8)))
(func (export "Guest.count_calls") {_TO_PARAMETERS} (param $times i64) (result i64)
  (loop $again
    (if (i64.gt_s (local.get $times) (i64.const 0)) (then
      (call $store (i64.add (call $load) (i64.const 1)))
      (drop (call $call {_TO}))
      (local.set $times (i64.sub (local.get $times) (i64.const 1)))
      (br $again))))
  (call $load))
(func (export "Guest.fail") (param $t i32) (param $tn i32) (call $fail (local.get $t) (local.get $tn)))
(func (export "Guest.put_then_fail") (param $k i32) (param $kn i32) (param $v i32) (param $vn i32)
  (call $put (local.get $k) (local.get $kn) (local.get $v) (local.get $vn)) unreachable)
(func (export "Guest.log") (param $level i64) (param $t i32) (param $tn i32)
  (call $log (i32.wrap_i64 (local.get $level)) (local.get $t) (local.get $tn)))
(func (export "Guest.now") (result f64) (call $now))
(func (export "Guest.random") (param $n i64)
  (call $random (global.get $top) (i32.wrap_i64 (local.get $n)))
  (call $reply (global.get $top) (i32.wrap_i64 (local.get $n))))
(func (export "Guest.add") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
(func (export "Guest.half") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2)))
(func (export "Guest.negate") (param i32) (result i32) (i32.eqz (local.get 0)))
{_ECHOES}
(func (export "Guest.spin_then_count") (param $times i64) (result i64)
  (loop $again
    (local.set $times (i64.sub (local.get $times) (i64.const 1)))
    (br_if $again (i64.gt_s (local.get $times) (i64.const 0))))
  (call $store (i64.add (call $load) (i64.const 1)))
  (call $load))
(func (export "Guest.write_while_reading") (call $store (i64.const 1)))
(func (export "Guest._secret") (result i64) (i64.const 42))
"""


def tools(**more: Any) -> bytes:
    """The module. more: what else its description says of its type."""
    return core_module(described(METHODS, **more), _BODY)


def other(name: str, factor: int) -> bytes:
    """Another module: a type with one method, `times`, which multiplies; and a private one, `_times`."""
    parts = [method("times", "int", result="int"), method("_times", "int", result="int")]
    code = f"(param i64) (result i64) (i64.mul (local.get 0) (i64.const {factor}))"
    return core_module(described(parts, name), f'(func (export "{name}.times") (export "{name}._times") {code})')
