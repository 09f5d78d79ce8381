"""A post to 200 followers in one store: how long until all 201 timelines are durable, and in how many flushes.

The store given to the app notes, at each flush, how many deliveries the batches before it hold.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import ClassVar

from automata import List, Ref, Set, object_type, ref, send
from automata.app import App
from automata.options import Options
from benchmarks.results import Result, absolute, print_json, told
from darq import Limits, RocksStore
from darq.store import Batch

FOLLOWERS = 200


@object_type(name="benchmarks.User")
class User:
    """A user of Retwis (LambdaObjects, Listing 1), reduced to what a post touches."""

    delivered: ClassVar[int] = 0  # runs of `_deliver` in this process, to know which write holds the last one

    followers: Set[Ref["User"]]
    timeline: List[str]

    async def follow_by(self, names: list[str]) -> None:
        """Add followers."""
        for name in names:
            self.followers.add(ref(User, name))

    async def create_post(self, text: str) -> None:
        """Post to one's own timeline and to those of all followers."""
        self.timeline.append(text)
        for follower in self.followers:
            send(follower._deliver(text))  # noqa: SLF001 - as users write it

    async def _deliver(self, text: str) -> None:
        self.timeline.append(text)
        User.delivered += 1

    async def posts(self) -> int:
        """How many are in the timeline."""
        return len(self.timeline)


class WatchedStore(RocksStore):
    """A store that counts its flushes, and says when a number of deliveries is durable."""

    flushes = 0
    written = 0
    target = 0
    on_target: Callable[[], object] | None = None

    def write(self, batch: Batch) -> None:
        """As it is; what was delivered by now is in it, or in a batch before it."""
        super().write(batch)
        self.written = User.delivered

    def flush(self) -> None:
        """As it is, counted."""
        covered = self.written
        super().flush()
        self.flushes += 1
        if self.on_target is not None and covered >= self.target:
            told, self.on_target = self.on_target, None
            told()


async def post(store: WatchedStore, text: str) -> tuple[float, int]:
    """(seconds until all timelines are durable, flushes that this took) of one post."""
    loop = asyncio.get_running_loop()
    durable: asyncio.Future[float] = loop.create_future()

    def tell() -> None:
        loop.call_soon_threadsafe(durable.set_result, time.perf_counter())

    store.target, store.on_target = User.delivered + FOLLOWERS, tell
    flushes, begun = store.flushes, time.perf_counter()
    await ref(User, "author").create_post(text)
    ended = await durable
    return ended - begun, store.flushes - flushes


async def _measure(folder: Path, posts: int) -> tuple[list[float], list[int]]:
    stores: list[WatchedStore] = []

    def open_store() -> WatchedStore:
        stores.append(WatchedStore(folder))
        return stores[-1]

    took, flushes = [], []
    async with App(open_store, Limits(), Options()):
        await ref(User, "author").follow_by([f"follower-{n}" for n in range(FOLLOWERS)])
        for n in range(posts):
            seconds, flushed = await post(stores[0], f"post {n}: as long as people write these days")
            took.append(seconds)
            flushes.append(flushed)
    async with App(open_store, Limits(), Options()):
        for name in ("author", "follower-0", f"follower-{FOLLOWERS - 1}"):
            held = await ref(User, name).posts()
            assert held == posts, f"{name} holds {held} posts of {posts}"
    return took, flushes


def measure(quick: bool) -> list[Result]:
    """Time and flushes of a post."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        took, flushes = asyncio.run(_measure(Path(folder), 5 if quick else 200))
    return [
        absolute(f"a post to {FOLLOWERS} followers, all durable, p50", "ms", median(took) * 1e3, 10, 4),
        told("the same, the slowest", "ms", max(took) * 1e3),
        absolute("flushes of such a post, p50", "flushes", median(flushes), 2, 1),
    ]


if __name__ == "__main__":
    print_json(measure)
