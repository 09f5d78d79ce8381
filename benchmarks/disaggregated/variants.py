"""The two variants behind one face: what the clients of the benchmark call."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import ray

from automata import ref
from benchmarks.disaggregated.accounts import Accounts
from benchmarks.disaggregated.compute import Compute, follower_row
from benchmarks.disaggregated.retwis import Account, Post
from benchmarks.disaggregated.storage import Storage

WORKLOADS = ("Post", "GetTimeline", "Follow")
_ROWS_AT_ONCE = 5000
_CALLS_AT_ONCE = 200
_LOOK_SECONDS = 0.005


class Variant(Protocol):
    """Retwis, however it is built. workloads: those that are worth measuring."""

    name: str
    workloads: tuple[str, ...]

    async def set_up(self, accounts: Accounts) -> None:
        """Make the accounts, with their followers."""

    async def create_post(self, author: str, text: str) -> None:
        """Post to the author's followers."""

    async def get_timeline(self, user: str) -> list[Post]:
        """The last ten posts, oldest first."""

    async def follow(self, followed: str, follower: str) -> None:
        """Add a follower."""

    async def settle(self) -> None:
        """Wait until every post is in every timeline: what was answered before that is not done yet."""


class Disaggregated:
    """Compute and storage in an actor each, as in the paper's baseline (LambdaObjects §5).

    apart: a post makes a call for each follower, as in the paper; all else is the same.
    """

    def __init__(self, folder: Path, apart: bool = False) -> None:
        self.name = "disaggregated, a call a follower" if apart else "disaggregated"
        self.workloads = WORKLOADS[:1] if apart else WORKLOADS
        self._storage: Any = ray.remote(num_cpus=0, max_concurrency=1000)(Storage).remote(str(folder))
        self._compute: Any = ray.remote(num_cpus=0, max_concurrency=1000)(Compute).remote(self._storage, apart)

    async def set_up(self, accounts: Accounts) -> None:
        """Write the rows of all followers."""
        rows = [follower_row(user, follower) for user in accounts.names for follower in accounts.followers[user]]
        for some in _portions(rows, _ROWS_AT_ONCE):
            await self._storage.write.remote(some)

    async def create_post(self, author: str, text: str) -> None:
        """One call, which makes two or more."""
        await self._compute.create_post.remote(author, text)

    async def get_timeline(self, user: str) -> list[Post]:
        """One call, which makes one."""
        posts: list[Post] = await self._compute.get_timeline.remote(user)
        return posts

    async def follow(self, followed: str, follower: str) -> None:
        """One call, which makes one."""
        await self._compute.follow.remote(followed, follower)

    async def settle(self) -> None:
        """A post is answered when it is in all timelines."""

    async def close(self) -> None:
        """Let go of both processes."""
        await self._storage.close.remote()
        for actor in (self._compute, self._storage):
            ray.kill(actor)


class Aggregated:
    """The methods where the data is. Needs an open app that knows `Account`."""

    name = "aggregated"
    workloads = WORKLOADS

    def __init__(self) -> None:
        self._probes = 0

    async def set_up(self, accounts: Accounts) -> None:
        """Each account takes its followers, and one more is there to find out what has arrived."""
        calls = [
            ref(Account, user).set_up([ref(Account, follower) for follower in accounts.followers[user]])
            for user in accounts.names
        ]
        for some in _portions(calls, _CALLS_AT_ONCE):
            await asyncio.gather(*some)
        await ref(Account, "probe").set_up([ref(Account, "probed")])

    async def create_post(self, author: str, text: str) -> None:
        """One call; what it sends is on its way with it."""
        await ref(Account, author).create_post(text)

    async def get_timeline(self, user: str) -> list[Post]:
        """One call."""
        return await ref(Account, user).get_timeline()

    async def follow(self, followed: str, follower: str) -> None:
        """One call."""
        await ref(Account, followed).add_follower(ref(Account, follower))

    async def settle(self) -> None:
        """Messages are handed over in the order in which they came: wait for that of one more post."""
        self._probes += 1
        text = f"probe {self._probes}"
        await ref(Account, "probe").create_post(text)
        while not any(post[1] == text for post in await ref(Account, "probed").get_timeline(1)):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)


def _portions(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[at : at + size] for at in range(0, len(items), size))
