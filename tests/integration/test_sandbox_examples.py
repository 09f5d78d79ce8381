"""The counter of the examples is one and the same: native, as WebAssembly text, and as C."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ssms
from automata import ref
from tests.example import example
from tests.memory_app import in_loop

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "sandbox"


async def count_to_seven() -> list[int]:
    """What a counter says meanwhile."""
    counter = ref("Counter", "one")
    return [await counter.add(3), await counter.add(4), await counter.get()]  # type: ignore[attr-defined]


def test_the_native_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example("sandbox/counter", monkeypatch)

    @in_loop
    async def scenario() -> None:
        async with ssms.open(tmp_path / "store"):
            assert await count_to_seven() == [3, 7, 7]

    scenario()


@in_loop
async def test_the_one_in_webassembly_text(tmp_path: Path) -> None:
    async with ssms.open(tmp_path / "store") as app:
        await app.upload(EXAMPLES / "counter.wat")
        assert await count_to_seven() == [3, 7, 7]
    async with ssms.open(tmp_path / "store"):
        assert await ref("Counter", "one").get() == 7  # type: ignore[attr-defined]


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """The one in C, compiled as its first lines say."""
    target = tmp_path / "counter.wasm"
    options = ["-target", "wasm32-freestanding", "-nostdlib", "-Oz", "-Wl,--no-entry"]
    source = str(EXAMPLES / "counter.c")
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *options, source, "-o", str(target)], check=True)
    return target


def test_the_one_in_c(compiled: Path, tmp_path: Path) -> None:
    @in_loop
    async def scenario() -> None:
        async with ssms.open(tmp_path / "store") as app:
            await app.upload(compiled)
            assert await count_to_seven() == [3, 7, 7]

    scenario()
