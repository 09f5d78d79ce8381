;; The counter as a core module, by hand: its one row "count" holds eight bytes.
(module
  (import "automata" "get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "automata" "put" (func $put (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "count")
  (data (i32.const 64)
    "{\"interface\": 1, \"types\": [{\"name\": \"Counter\", \"methods\": ["
    "{\"name\": \"add\", \"parameters\": [{\"name\": \"by\", \"type\": \"int\"}], \"result\": \"int\"},"
    "{\"name\": \"get\", \"result\": \"int\", \"readonly\": true}]}]}")
  (func (export "describe") (result i64) ;; address << 32 | length
    (i64.or (i64.shl (i64.const 64) (i64.const 32)) (i64.const 193)))
  (func $load (result i64) ;; a row that is not there leaves the zero that memory begins with
    (drop (call $get (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 8)))
    (i64.load (i32.const 16)))
  (func (export "Counter.get") (result i64)
    (call $load))
  (func (export "Counter.add") (param $by i64) (result i64)
    (i64.store (i32.const 16) (i64.add (call $load) (local.get $by)))
    (call $put (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 8))
    (i64.load (i32.const 16))))
