"""The compute layer of the disaggregated variant: the methods of Retwis in an actor without data of its own.

Rows: f <user> 00 <follower> -> nothing; t <user> 00 <time ns> <number> -> [author, text, time]. An entry of a timeline
is named by its time, so that nothing has to be read before it is written. As in the paper, nothing here is consistent
across calls: two methods of one account may interleave.
"""

import asyncio
import itertools
import time
from typing import Any

import msgspec

from benchmarks.disaggregated.retwis import Post

FOLLOWERS_MAX = 100_000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Post).decode


class Compute:
    """Create posts, read timelines, follow. storage: the handle of the storage actor.

    apart: each follower's `store_post` is an invocation with a write of its own, as in the paper; otherwise a post
    writes the timelines of all followers with one call.
    """

    def __init__(self, storage: Any, apart: bool) -> None:
        self._storage = storage
        self._apart = apart
        self._numbers = itertools.count()

    async def create_post(self, author: str, text: str) -> int:
        """Post to the author's timeline and to those of all followers. Returns how many these are."""
        now = time.time()
        post = _encode((author, text, now))
        found = await self._storage.scan.remote(*follower_bounds(author), FOLLOWERS_MAX)
        followers = [key[key.index(b"\0") + 1 :] for key, _ in found]
        if self._apart:
            await asyncio.gather(*(self._store_post(user, post) for user in (author.encode(), *followers)))
        else:
            await self._storage.write.remote([(self._entry(user), post) for user in (author.encode(), *followers)])
        return len(followers)

    async def get_timeline(self, user: str, limit: int = 10) -> list[Post]:
        """The last posts, oldest first."""
        rows = await self._storage.scan.remote(*timeline_bounds(user), limit, True)
        return [_decode(value) for _, value in reversed(rows)]

    async def follow(self, followed: str, follower: str) -> None:
        """Add a follower."""
        await self._storage.write.remote([follower_row(followed, follower)])

    async def _store_post(self, user: bytes, post: bytes) -> None:
        await self._storage.write.remote([(self._entry(user), post)])

    def _entry(self, user: bytes) -> bytes:
        return b"t%b\0%b%b" % (user, time.time_ns().to_bytes(8, "big"), next(self._numbers).to_bytes(8, "big"))


def follower_row(followed: str, follower: str) -> tuple[bytes, bytes]:
    """The row of one follower."""
    return b"f%b\0%b" % (followed.encode(), follower.encode()), b""


def follower_bounds(user: str) -> tuple[bytes, bytes]:
    """Where the followers of an account are."""
    return b"f%b\0" % user.encode(), b"f%b\1" % user.encode()


def timeline_bounds(user: str) -> tuple[bytes, bytes]:
    """Where the timeline of an account is."""
    return b"t%b\0" % user.encode(), b"t%b\1" % user.encode()
