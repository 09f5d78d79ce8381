"""Sandboxed methods with a crash at every commit boundary: each part, write, message and call happens once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from automata import object_type, readonly, ref
from automata.options import Options
from automata.testing import VirtualApp
from tests.core_modules import shelve
from tests.crash.boundaries import crash_everywhere
from tests.sandbox_tools import tools


@object_type
class Ledger:
    key: str
    total: int = 0

    async def book(self, amount: int) -> int:
        self.total += amount
        return self.total

    @readonly
    async def balance(self) -> int:
        return self.total


ONE = msgspec.msgpack.encode([1])
TWO = msgspec.msgpack.encode([2])


async def count(app: VirtualApp, module: Path) -> None:
    await app.upload(module, name="tools")
    guest = ref("Guest", "one")
    assert await guest.spin_then_count(2) == 1
    assert await guest.count_calls("Ledger", "calls", "book", ONE, 3) == 4
    await guest.send("Ledger", "messages", "book", TWO, 0.0)
    await guest.send("Ledger", "later", "book", TWO, 5.0)
    assert await guest.spin_then_count(1_000_000) == 5
    await asyncio.sleep(60)
    assert await ref(Ledger, "calls").balance() == 3
    assert await ref(Ledger, "messages").balance() == 2
    assert await ref(Ledger, "later").balance() == 2
    assert [upload.version async for upload in app.uploads()] == [1]


def test_a_sandboxed_method_counts_calls_and_sends_once_wherever_the_process_dies(tmp_path: Path) -> None:
    module = tmp_path / "tools.wasm"
    module.write_bytes(tools())
    shelve(tmp_path / "modules", tools())

    async def scenario(app: VirtualApp) -> None:
        await count(app, module)

    report = crash_everywhere(scenario, options=Options(modules=tmp_path / "modules"))
    assert report.boundaries >= 12
