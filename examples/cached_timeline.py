"""`@readonly(cache=True)`: a result is kept for as long as everything it was made from is unchanged, and never longer.

python examples/cached_timeline.py ./timeline-data
"""

import asyncio
import sys
import tempfile

import ssms
from automata import List, Map, object_type, readonly, ref


@object_type
class Timeline:
    """What somebody sees; reading it is far more common than a new post."""

    posts: List[str]
    likes: Map[int, int]

    async def post(self, text: str) -> int:
        self.posts.append(text)
        return len(self.posts) - 1

    async def like(self, post: int) -> None:
        self.likes[post] = self.likes.get(post, 0) + 1

    @readonly(cache=True)
    async def words(self) -> dict[str, int]:
        """How often each word occurs: reads all posts and no likes."""
        words = [word for post in self.posts for word in post.split()]
        return {word: words.count(word) for word in sorted(set(words))}


async def main(path: str) -> None:
    """Read a timeline again and again, while somebody likes posts and seldom writes one."""
    async with ssms.open(path) as app:
        timeline = ref(Timeline, "alice")
        for day in range(10):
            post = await timeline.post(f"day {day} was good")
            for _ in range(9):
                await timeline.like(post)  # changes the object, and nothing that words() has read
                words = await timeline.words()
            assert words["good"] == post + 1, "never stale"
        stats = await app.stats()
        hits, misses = stats["cache_hits"], stats["cache_misses"]
        print(f"{hits + misses} reads, {misses} runs of words(): {100 * hits // (hits + misses)}% from the cache")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else folder))
