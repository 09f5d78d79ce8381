"""Core modules made of a description and a body in WebAssembly text, and apps that take them in at once.

Compiling takes a process of its own; tests that are about something else find the compiled form on the shelf.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from wasmtime import Module, wat2wasm
from wasmtime.component import Component

from automata.app import App
from automata.options import Options
from automata.sandbox import shelf
from automata.sandbox.binary import kind_of
from automata.sandbox.core_functions import FUNCTIONS
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.machine import machine
from automata.sandbox.record import CORE
from automata.sandbox.upload import Upload
from darq.memory import MemoryStore
from tests.memory_app import memory_app

MANIFEST_AT = 32_768
"""Where a module's description is in its memory; what is before it, and its second page, is free."""


def imports() -> str:
    """Every host function, as `$name`."""
    lines = []
    for name, (parameters, result, _) in FUNCTIONS.items():
        given = f"(param {' '.join(parameters)})" if parameters else ""
        lines.append(f'(import "automata" "{name}" (func ${name} {given} {f"(result {result})" if result else ""}))')
    return "\n".join(lines)


def method(name: str, *parameters: Any, result: Any = "none", **more: Any) -> dict[str, Any]:
    """A method in a manifest; its parameters are called a, b, c..."""
    given = [{"name": chr(ord("a") + at), "type": term} for at, term in enumerate(parameters)]
    return {"name": name, "parameters": given, "result": result, **more}


def described(methods: Sequence[Mapping[str, Any]], name: str = "Guest", **more: Any) -> dict[str, Any]:
    """A manifest of one type."""
    return {"interface": 1, "types": [{"name": name, "methods": list(methods), **more}]}


def core_module(manifest: object, body: str, memory: str = '(memory (export "memory") 2)') -> bytes:
    """A core module which describes itself so. manifest: bytes, or what JSON can say."""
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    data = "".join(f"\\{byte:02x}" for byte in text)
    return bytes(
        wat2wasm(
            f"""(module {imports()} {memory}
              (data (i32.const {MANIFEST_AT}) "{data}")
              (func (export "describe") (result i64)
                (i64.or (i64.shl (i64.const {MANIFEST_AT}) (i64.const 32)) (i64.const {len(text)})))
              {body})"""
        )
    )


def one_method(body: str, *parameters: Any, result: Any = "none", rest: str = "", **more: Any) -> bytes:
    """A module with the type Guest and its one method `go`, of this code. rest: what else the module holds."""
    kinds = {"int": "i64", "float": "f64", "bool": "i32"}
    given = "".join(
        f"(param ${chr(ord('a') + at)} {kinds[term]})"
        if isinstance(term, str) and term in kinds
        else f"(param ${chr(ord('a') + at)} i32) (param ${chr(ord('a') + at)}_length i32)"
        for at, term in enumerate(parameters)
    )
    gives = f"(result {kinds[result]})" if isinstance(result, str) and result in kinds else ""
    return core_module(
        described([method("go", *parameters, result=result, **more)]),
        f'{rest} (func $go (export "Guest.go") {given} {gives} {body})',
    )


def shelve(folder: Path, data: bytes) -> None:
    """Put the compiled form of a module where an upload of it finds it."""
    kind = kind_of(data, SandboxLimits())
    place = shelf.Shelf(folder)
    target = folder / f"{place.put(data)}.{shelf._RELEASE}.compiled"
    if not target.exists():
        made = Module(machine().core_engine, data) if kind == CORE else Component(machine().component_engine, data)
        target.write_bytes(made.serialize())
        target.with_suffix(".sum").write_text(hashlib.sha256(target.read_bytes()).hexdigest())


@asynccontextmanager
async def modules_app(
    folder: Path, store: MemoryStore | None = None, limits: SandboxLimits | None = None
) -> AsyncIterator[App]:
    """An app in memory with its modules in a folder. limits: the most that any of them may use."""
    options = Options(modules=folder / "modules", sandbox=limits or SandboxLimits())
    async with memory_app(store, options=options) as app:
        yield app


async def take(app: App, folder: Path, data: bytes, name: str = "guest", **more: Any) -> Upload:
    """Upload a module, without compiling it in another process."""
    shelve(folder / "modules", data)
    return await upload(app, folder, data, name, **more)


async def upload(app: App, folder: Path, data: bytes, name: str = "guest", **more: Any) -> Upload:
    """Upload a module as anyone does."""
    path = folder / f"{hashlib.sha256(data).hexdigest()}.wasm"
    if not path.exists():  # or uploads at once would read it half written
        path.write_bytes(data)
    return await app.upload(path, name=name, **more)


Test = Callable[..., Coroutine[Any, Any, None]]


def with_module(
    data: bytes, host: SandboxLimits | None = None, **limits: float
) -> Callable[[Test], Callable[[], None]]:
    """Let an async test of an app run in one that has taken in a module. host: its limits; limits: of the module."""

    def wrap(test: Test) -> Callable[[], None]:
        async def scenario() -> None:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                async with modules_app(folder, limits=host) as app:
                    await take(app, folder, data, limits=limits)
                    await test(app)

        @functools.wraps(test)
        def run() -> None:
            asyncio.run(scenario())

        del run.__wrapped__  # type: ignore[attr-defined]
        return run

    return wrap
