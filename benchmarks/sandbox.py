"""Sandboxed types: a counter as a core module and as a Python guest, and what the one that spins costs the others.

The floor is bare wasmtime, through its Python interface: a fresh store, instantiate, call an export that calls one
function of its host. Nothing is metered there, and nothing is kept.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import wasmtime

import ssms
from automata import ref
from automata.app import App
from automata.errors import LimitExceeded
from automata.sandbox.building import build
from benchmarks.calls import add as add_natively
from benchmarks.calls import compare
from benchmarks.floors import CALLERS, calls_per_second
from benchmarks.results import Result, absolute, against_floor, print_json, told

EXAMPLES = Path(__file__).parent.parent / "examples" / "sandbox"
IDLE_TYPES = 1000

_BARE = """(module (import "host" "get" (func $get (param i32) (result i32))) (memory (export "memory") 1)
  (func (export "add") (param i64) (result i64)
    (i64.add (local.get 0) (i64.extend_i32_s (call $get (i32.const 0))))))"""
_SPINNER = """(module (memory (export "memory") 1) (data (i32.const 0) "{manifest}")
  (func (export "describe") (result i64) (i64.const {length}))
  (func (export "Spinner.spin") (loop (br 0))))"""


class BareWasm:
    """Instantiates and calls, as the examples of wasmtime do."""

    def __init__(self) -> None:
        self._engine = wasmtime.Engine()
        self._module = wasmtime.Module(self._engine, _BARE)
        self._linker = wasmtime.Linker(self._engine)
        kind = wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i32()])
        self._linker.define_func("host", "get", kind, lambda caller, key: 1, access_caller=True)

    async def once(self, counter: int = 0) -> None:
        """One fresh instance, one call."""
        store = wasmtime.Store(self._engine)
        export = self._linker.instantiate(store, self._module).exports(store)["add"]
        assert isinstance(export, wasmtime.Func), "it exports a function"
        export(store, counter)


async def add_core(counter: int) -> None:
    """One durable call of the core module's counter."""
    await ref("Counter", f"counter-{counter}").add(1)  # type: ignore[attr-defined]


async def get_core(counter: int) -> None:
    """One readonly call of it."""
    await ref("Counter", f"counter-{counter}").get()  # type: ignore[attr-defined]


async def microseconds(call: Callable[[int], Awaitable[None]], count: int) -> float:
    """The median time of one call after the other."""
    took = []
    for n in range(count):
        begun = time.perf_counter()
        await call(n % 10)
        took.append(time.perf_counter() - begun)
    return median(took) * 1e6


async def measure_core(folder: Path, quick: bool) -> list[Result]:
    """The core module's counter."""
    seconds, rounds, bare = (0.3, 2, BareWasm()) if quick else (1.0, 5, BareWasm())
    async with ssms.open(folder / "core") as app:
        await app.upload(EXAMPLES / "counter.wat")
        many = await compare(
            lambda: calls_per_second(add_core, CALLERS, seconds),
            lambda: calls_per_second(bare.once, 1, seconds),
            rounds,
        )
        one = await compare(lambda: microseconds(get_core, 1000), lambda: microseconds(bare.once, 1000), rounds)
    return [
        against_floor("sandbox: core add(1), durable, 64 callers, against bare wasmtime", "calls/s", many, 0.4, 0.6),
        against_floor("sandbox: one core get(), fresh instance, against bare wasmtime", "us", one, 1.5, 1.0),
    ]


async def measure_guest(folder: Path, quick: bool) -> list[Result]:
    """The Python guest's counter."""
    module, results = folder / "guest.wasm", []
    begun = time.perf_counter()
    build(EXAMPLES / "counter.py", module)
    results.append(told("sandbox: building a Python class", "s", time.perf_counter() - begun))
    async with ssms.open(folder / "guest") as app:
        begun = time.perf_counter()
        await app.upload(module)
        await add_core(0)
        results.append(
            absolute("sandbox: upload of a Python class and first call", "s", time.perf_counter() - begun, 8, 6)
        )
        took = await microseconds(get_core, 50 if quick else 500)
        results.append(absolute("sandbox: one get() of a Python class, p50", "ms", took / 1000, 3, 1.5))
        took = await microseconds(add_core, 50 if quick else 500)
        results.append(told("sandbox: one durable add(1) of a Python class, p50", "ms", took / 1000))
        results.append(
            told(
                "sandbox: durable add(1) of a Python class, 64 callers",
                "calls/s",
                await calls_per_second(add_core, 64, 1),
            )
        )
    restarted = float(_in_process("restart", folder / "guest"))
    results.append(absolute("sandbox: first call of a Python class after a restart", "ms", restarted, 200, 100))
    return results


async def measure_spinning(folder: Path, quick: bool) -> list[Result]:
    """Others, while one guest spins to its limit again and again."""
    seconds, rounds = (0.3, 2) if quick else (1.0, 5)
    async with ssms.open(folder / "spinning") as app:
        await _upload_spinner(app, folder)

        async def beside() -> float:
            spinning = asyncio.create_task(_spin())
            await asyncio.sleep(0.05)
            rate = await calls_per_second(add_natively, CALLERS, seconds)
            spinning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await spinning
            return rate

        figures = await compare(beside, lambda: calls_per_second(add_natively, CALLERS, seconds), rounds)
    name = "sandbox: native add(1), 64 callers, while a guest spins, against alone"
    return [against_floor(name, "calls/s", figures, 0.8, 0.95)]


def measure_idle(folder: Path) -> list[Result]:
    """Memory that many uploaded types take while nobody calls them."""
    _in_process("fill", folder / "idle")
    held = float(_in_process("open", folder / "idle")) - float(_in_process("open", folder / "empty"))
    return [absolute(f"sandbox: {IDLE_TYPES:,} idle uploaded types, in 20 modules", "MB", held, 50, 20)]


def measure(quick: bool) -> list[Result]:
    """All of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = asyncio.run(measure_core(folder, quick))
        results += asyncio.run(measure_guest(folder, quick))
        results += asyncio.run(measure_spinning(folder, quick))
        return results + measure_idle(folder)


async def _spin() -> None:
    while True:
        with contextlib.suppress(LimitExceeded):
            await ref("Spinner", "one").spin()  # type: ignore[attr-defined]


async def _upload_spinner(app: App, folder: Path) -> None:
    manifest = json.dumps(
        {"interface": 1, "types": [{"name": "Spinner", "methods": [{"name": "spin", "result": "none"}]}]}
    )
    text = _SPINNER.format(manifest=manifest.replace('"', '\\"'), length=len(manifest))
    (folder / "spinner.wat").write_text(text)
    await app.upload(folder / "spinner.wat", limits={"seconds": 1})


def _in_process(what: str, folder: Path) -> str:
    command = [sys.executable, "-m", "benchmarks.sandbox", what, str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def _restarted(folder: Path) -> float:
    async with ssms.open(folder):
        begun = time.perf_counter()
        await get_core(0)
        return (time.perf_counter() - begun) * 1000


async def _fill(folder: Path) -> None:
    each = 50
    source = folder.parent / "idle.wat"
    async with ssms.open(folder) as app:
        for n in range(IDLE_TYPES // each):
            source.write_text(_module_of([f"Idle{n * each + k}" for k in range(each)]))
            await app.upload(source, name=f"idle-{n}")


def _module_of(names: list[str]) -> str:
    methods = [{"name": "add", "parameters": [{"name": "by", "type": "int"}], "result": "int"}]
    manifest = json.dumps({"interface": 1, "types": [{"name": name, "methods": methods} for name in names]})
    functions = " ".join(f'(func (export "{name}.add") (param i64) (result i64) (local.get 0))' for name in names)
    escaped = manifest.replace('"', '\\"')
    return f"""(module (memory (export "memory") 1) (data (i32.const 0) "{escaped}")
      (func (export "describe") (result i64) (i64.const {len(manifest)})) {functions})"""


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("Linux says how much memory a process has")


async def _opened_mb(folder: Path) -> float:
    """Resident MB of a process that has opened a store."""
    async with ssms.open(folder) as app:
        uploads = [upload async for upload in app.uploads()]
        assert sum(len(upload.types) for upload in uploads) in (0, IDLE_TYPES)
        return _resident_mb()


async def _part(what: str, folder: Path) -> object:
    """What has to take place in a process of its own."""
    parts = {"restart": _restarted, "fill": _fill, "open": _opened_mb}
    return await parts[what](folder)


def main() -> None:
    """Print the results as JSON; or, as a process of its own, do one part of it."""
    if len(sys.argv) == 1:
        print_json(measure)
    else:
        print(asyncio.run(_part(sys.argv[1], Path(sys.argv[2]))))


if __name__ == "__main__":
    main()
