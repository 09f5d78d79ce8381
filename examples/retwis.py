"""Retwis (LambdaObjects, Listing 1) on a piece of a real graph: a post and all its fan-out are one step.

python examples/retwis.py ./retwis-data, or on a cluster: ray job submit --working-dir . -- python examples/retwis.py
"""

import asyncio
import os
import sys
import tempfile

import ssms
from automata import List, Ref, Set, object_type, readonly, ref, send
from ssms.demo.graph import load_graph


@object_type
class User:
    """Someone with followers and a timeline."""

    key: str
    followers: Set[Ref["User"]]
    timeline: List[str]

    async def follow(self, followed: Ref["User"]) -> None:
        send(followed._add_follower(ref(self)))  # noqa: SLF001 - private to the application

    async def _add_follower(self, follower: Ref["User"]) -> None:
        self.followers.add(follower)

    async def create_post(self, text: str) -> int:
        for follower in self.followers:
            send(follower._store_post(f"{self.key}: {text}"))  # noqa: SLF001
        return len(self.followers)

    async def _store_post(self, post: str) -> None:
        self.timeline.append(post)

    @readonly
    async def get_timeline(self, limit: int = 10) -> list[str]:
        return self.timeline.last(limit)


async def main(path: str) -> None:
    """Follow, post, and read what has arrived."""
    graph = load_graph(100)
    star, friends = max(graph.followers().items(), key=lambda item: len(item[1]))
    async with ssms.connect() if "RAY_ADDRESS" in os.environ else ssms.open(path) as app:
        await app.deploy(User)
        await asyncio.gather(*(ref(User, a).follow(ref(User, b)) for a, b in graph.follows))
        while (reached := await ref(User, star).create_post("hello")) < len(friends):
            pass  # follows are messages: some were still on their way
        reader = ref(User, min(friends))
        while not (timeline := await reader.get_timeline(1)):  # noqa: ASYNC110
            await asyncio.sleep(0)  # so are posts
        print(f"User/{star} posts to {reached} followers, User/{reader.key} reads {timeline}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else folder))
