"""A message whose method kills the process is put aside after three deaths alone; what waits behind it is delivered."""

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, json, os, signal, sys
import ssms
from automata import List, object_type, ref, send


@object_type
class Bomb:
    got: List[str]

    async def tick(self, word: str) -> None:
        self.got.append(word)

    async def later(self) -> None:
        await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)

    async def at_once(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async def slow(self) -> None:
        await asyncio.sleep(0.05)

    async def fail_first(self) -> None:
        if len(sys.argv) == 3:
            raise ValueError("the first try fails")
        os.kill(os.getpid(), signal.SIGKILL)


async def first(path: str, how: str) -> None:
    bomb = ref(Bomb, "b")
    async with ssms.open(path) as app:
        # a slow method holds the object, so that all is stored before the bomb goes off
        work = [send(bomb.tick("before")), send(bomb.slow()), send(getattr(bomb, how)()), send(bomb.tick("after"))]
        await asyncio.gather(*work)
        if how == "fail_first":
            while len((await app.inspect(bomb))["got"]) < 2:
                await asyncio.sleep(0)
            os.kill(os.getpid(), signal.SIGKILL)
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


def _lives(folder: Path, how: str) -> tuple[int, dict[str, list[object]]]:
    program = folder / "bomb.py"
    program.write_text(PROGRAM)
    store = str(folder / "store")
    life = [sys.executable, str(program), store]
    assert subprocess.run([*life, how], capture_output=True, check=False).returncode < 0
    for deaths in range(1, 8):
        done = subprocess.run(life, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return deaths, json.loads(done.stdout)
        assert done.returncode < 0, done.stderr
    raise AssertionError("the message killed every life")


def test_a_method_that_kills_its_process_at_once_is_parked(tmp_path: Path) -> None:
    deaths, end = _lives(tmp_path, "at_once")
    assert deaths == 5  # the first time among others, then alone until it is found out
    assert end["got"] == ["before", "after"]
    assert [method for method, _ in end["letters"]] == ["at_once"]
    assert "died 3 times" in str(end["letters"][0])


def test_a_method_that_kills_its_process_while_it_waits_is_parked(tmp_path: Path) -> None:
    deaths, end = _lives(tmp_path, "later")
    assert deaths == 5  # the first time among others, then alone until it is found out
    assert end["got"] == ["before", "after"]
    assert [method for method, _ in end["letters"]] == ["later"]


def test_a_method_that_kills_its_process_when_it_is_tried_again_is_parked(tmp_path: Path) -> None:
    deaths, end = _lives(tmp_path, "fail_first")
    assert deaths == 5  # the first time among others, then alone until it is found out
    assert sorted(map(str, end["got"])) == ["after", "before"]
    assert [method for method, _ in end["letters"]] == ["fail_first"]
    assert "died 3 times" in str(end["letters"][0])
