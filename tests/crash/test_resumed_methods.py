"""Methods of a process that is killed again and again go on in the next one, each part once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ssms
from automata import ref
from darq import RocksStore, keys
from tests.crash.orders import ORDERS, ROUNDS, Purchase, Rack, place_all

KILL_AFTER_SECONDS = (0.05, 0.35, 0.3, 0.4)  # far less than the sleeps of an order take together
STEPS = [step for n in range(ROUNDS) for step in (f"taken {n}", f"paid {n}")]
pytestmark = pytest.mark.process


def run_and_kill(store: Path, effects: Path, seconds: float) -> None:
    """Let the process place orders for so long, then kill it."""
    command = [sys.executable, "-m", "tests.crash.orders", str(store), str(effects)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "opened\n"
        time.sleep(seconds)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def unfinished(path: Path) -> int:
    """How many methods the killed process has left."""
    store = RocksStore(path)
    try:
        return len(store.scan(keys.INVOCATION, keys.after(keys.INVOCATION), keys.ALL))
    finally:
        store.close()


def test_methods_of_a_killed_process_go_on_where_they_were(tmp_path: Path) -> None:
    store, effects = tmp_path / "store", tmp_path / "effects"
    for seconds in KILL_AFTER_SECONDS:
        run_and_kill(store, effects, seconds)
        assert unfinished(store) >= ORDERS

    async def audit() -> None:
        async with ssms.open(store):
            tokens = await place_all(str(effects))
            assert len(set(tokens)) == ORDERS
            for n, token in enumerate(tokens):
                assert await ref(Purchase, f"p{n}").told() == (token, ["begin", *STEPS, "end"])
            left = [await ref(Rack, f"s{n}").left() for n in range(3)]
            taken = ORDERS * ROUNDS
            assert left == [1000 - 2 * taken, 1000 - taken, 1000 - taken]
        noted = {tuple(line.split()) for line in effects.read_text().splitlines()}
        assert noted == {(f"p{n}", when, token) for n, token in enumerate(tokens) for when in ("begin", "end")}

    asyncio.run(audit())
