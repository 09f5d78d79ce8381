"""Timers of a process that is killed: each rings once, and one that kills its process is parked after three deaths."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

BOMB = """
import asyncio, json, os, signal, sys
import ssms
from automata import List, object_type, ref, send


@object_type
class Bomb:
    got: List[str]

    async def tick(self, word: str) -> None:
        self.got.append(word)

    async def explode(self, how: str) -> None:
        if how == "later":
            await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)


async def first(path: str, how: str) -> None:
    bomb = ref(Bomb, "b")
    async with ssms.open(path) as app:
        often = {"every": 3600} if how == "often" else {}
        work = [
            send(bomb.tick("before"), delay=0.05),
            send(bomb.explode(how), delay=0.06, **often),
            send(bomb.tick("after"), delay=0.07),
        ]
        await asyncio.gather(*work)
        await asyncio.sleep(5)


async def next_life(path: str) -> None:
    async with ssms.open(path) as app:
        letters = []
        while not letters or len((await app.inspect(ref(Bomb, "b")))["got"]) < 2:
            await asyncio.sleep(0.01)
            letters = [letter async for letter in app.dead_letters()]
        state = await app.inspect(ref(Bomb, "b"))
        print(json.dumps({"letters": [[a.method, a.error] for a in letters], "got": state["got"]}))


asyncio.run(first(sys.argv[1], sys.argv[2]) if len(sys.argv) == 3 else next_life(sys.argv[1]))
"""

COUNTING = """
import asyncio, sys
import ssms
from automata import List, object_type, readonly, ref, send


@object_type
class Count:
    set_up: List[int]
    got: List[int]

    async def arm(self, first: int, many: int) -> None:
        for n in range(first, first + many):
            self.set_up.append(n)
            send(ref(self).ring(n), delay=(n * 37 % 101) / 1000)

    async def ring(self, n: int) -> None:
        self.got.append(n)

    @readonly
    async def both(self) -> tuple[list[int], list[int]]:
        return list(self.set_up), list(self.got)


async def main(path: str, task: str) -> None:
    count = ref(Count, "c")
    async with ssms.open(path) as app:
        if task == "work":
            print("working", flush=True)
            while True:
                done, _ = await count.both()
                await count.arm(len(done), 50)
                await asyncio.sleep(0.005)
        while True:
            set_up, got = await count.both()
            if len(got) >= len(set_up):
                break
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.15)
        set_up, got = await count.both()
        assert set_up == list(range(len(set_up)))
        assert sorted(got) == set_up, "each timer rings once"
        assert got, "nothing was set"
        print(len(got))


asyncio.run(main(*sys.argv[1:]))
"""


def _lives(program: Path, store: str, how: str) -> tuple[int, dict[str, list[object]]]:
    life = [sys.executable, str(program), store]
    assert subprocess.run([*life, how], capture_output=True, check=False).returncode < 0
    for deaths in range(1, 8):
        done = subprocess.run(life, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return deaths, json.loads(done.stdout)
        assert done.returncode < 0, done.stderr
    raise AssertionError("the timer killed every life")


@pytest.mark.parametrize("how", ["at_once", "later", "often"])
def test_a_timer_whose_method_kills_the_process_is_parked_after_three_deaths_alone(tmp_path: Path, how: str) -> None:
    program = tmp_path / "bomb.py"
    program.write_text(BOMB)
    deaths, end = _lives(program, str(tmp_path / "store"), how)
    assert deaths == 5  # the first time among others, then alone until it is found out
    assert end["got"] == ["before", "after"]
    assert [method for method, _ in end["letters"]] == ["explode"]
    assert "died 3 times" in str(end["letters"][0])


def test_timers_of_a_process_that_is_killed_at_any_moment_ring_once(tmp_path: Path) -> None:
    program, store = tmp_path / "counting.py", str(tmp_path / "store")
    program.write_text(COUNTING)
    chance = random.Random(7)
    for _ in range(4):
        life = subprocess.Popen([sys.executable, str(program), store, "work"], stdout=subprocess.PIPE)
        assert life.stdout is not None
        assert life.stdout.readline() == b"working\n"
        time.sleep(chance.uniform(0.05, 0.4))
        life.kill()
        life.wait()
        life.stdout.close()
    done = subprocess.run([sys.executable, str(program), store, "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
