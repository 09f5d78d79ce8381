"""`@readonly(cache=True)` against the same methods uncached: 50 posts read, given back as they are and counted up.

Cached and uncached take turns in short rounds of one run. A call to a valid result changes nothing on the disk and
waits for nothing; what is told besides is the price of a call after a change of the object: of what is not read, when
the read set is looked at again, and of what is read, when the method runs again and its reads are noted.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pydantic import BaseModel

import ssms
from automata import List, object_type, readonly, ref
from benchmarks.results import Result, against_floor, print_json, told

POSTS = 50


class Post(BaseModel):
    """A post as a pydantic model."""

    author: str
    text: str
    time: float


@dataclass
class Note:
    """The same as a dataclass."""

    author: str
    text: str
    time: float


@object_type(name="benchmarks.Wall")
class Wall:
    """50 posts in either form, each with a cached and an uncached look at them."""

    visits: int = 0
    posts: List[Post]
    notes: List[Note]

    async def fill(self) -> None:
        """Write the posts."""
        for n in range(POSTS):
            text = f"post {n}, about as long as such things are: a sentence or two, seldom three"
            self.posts.append(Post(author=f"author {n % 7}", text=text, time=1.5 * n))
            self.notes.append(Note(author=f"author {n % 7}", text=text, time=1.5 * n))

    async def visit(self) -> None:
        """Change what no look at the posts reads."""
        self.visits += 1

    async def edit(self) -> None:
        """Change what looks at the posts read."""
        self.visits += 1
        self.notes[0] = Note(author="editor", text=f"edition {self.visits}", time=0.0)

    @readonly
    async def look(self) -> list[Post]:
        """All posts."""
        return list(self.posts.last(POSTS))

    @readonly(cache=True)
    async def look_cached(self) -> list[Post]:
        """All posts."""
        return list(self.posts.last(POSTS))

    @readonly
    async def notes_of(self) -> list[Note]:
        """All posts, as dataclasses."""
        return list(self.notes.last(POSTS))

    @readonly(cache=True)
    async def notes_of_cached(self) -> list[Note]:
        """All posts, as dataclasses."""
        return list(self.notes.last(POSTS))

    @readonly
    async def letters(self) -> int:
        """How long all posts are together."""
        return sum(len(note.text) for note in self.notes)

    @readonly(cache=True)
    async def letters_cached(self) -> int:
        """How long all posts are together."""
        return sum(len(note.text) for note in self.notes)


Round = Callable[[], Awaitable[float]]
PAIRS = {
    "a sum over 50 entries": (Wall.letters_cached, Wall.letters),
    "a list of 50 dataclasses": (Wall.notes_of_cached, Wall.notes_of),
    "a list of 50 pydantic models": (Wall.look_cached, Wall.look),
}


async def calls_per_second(method: str, seconds: float) -> float:
    """The rate of one caller."""
    begun, calls = time.perf_counter(), 0
    while (spent := time.perf_counter() - begun) < seconds:
        for _ in range(10):
            await getattr(ref(Wall, "w"), method)()
        calls += 10
    return calls / spent


async def _rates(methods: tuple[str, str], seconds: float, rounds: int) -> tuple[float, float]:
    taken: dict[str, list[float]] = {method: [] for method in methods}
    for n in range(rounds):
        for method in methods if n % 2 else methods[::-1]:
            taken[method].append(await calls_per_second(method, seconds))
    return median(taken[methods[0]]), median(taken[methods[1]])


async def _after_us(change: str, method: str, calls: int) -> float:
    """The median time of a call before which the object was changed."""
    took = []
    for _ in range(calls):
        await getattr(ref(Wall, "w"), change)()
        begun = time.perf_counter()
        await getattr(ref(Wall, "w"), method)()
        took.append(time.perf_counter() - begun)
    return median(took) * 1e6


async def _measure(folder: Path, seconds: float, rounds: int) -> list[Result]:
    results = []
    async with ssms.open(folder):
        await ref(Wall, "w").fill()
        for name, (cached, uncached) in PAIRS.items():
            rates = await _rates((cached.__name__, uncached.__name__), seconds, rounds)
            results.append(against_floor(f"cached: {name}", "calls/s", rates, 5, 10))
        for change, what in (("visit", "what it does not read"), ("edit", "what it reads")):
            for method, kind in (("letters_cached", "cached"), ("letters", "uncached")):
                took = await _after_us(change, method, int(seconds * 2000))
                results.append(told(f"{kind} sum after a change of {what}, p50", "us", took))
    return results


def measure(quick: bool) -> list[Result]:
    """Rates of cached calls beside those of uncached ones."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return asyncio.run(_measure(Path(folder), *((0.02, 2) if quick else (0.3, 7))))


if __name__ == "__main__":
    print_json(measure)
