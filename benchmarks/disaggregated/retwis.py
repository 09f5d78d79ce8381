"""Retwis as objects (LambdaObjects, Listing 1): in a module of its own, as its code travels to the cluster."""

from automata import List, Ref, Set, now, object_type, readonly, send

Post = tuple[str, str, float]
"""Who, what, when."""


@object_type(name="benchmarks.Account")
class Account:
    """An account of Retwis (LambdaObjects, Listing 1)."""

    key: str
    followers: Set[Ref["Account"]]
    timeline: List[Post]

    async def set_up(self, followers: list[Ref["Account"]]) -> None:
        """Take all followers at once."""
        for follower in followers:
            self.followers.add(follower)

    async def create_post(self, text: str) -> int:
        """Post to one's own timeline and to those of all followers. Returns how many these are."""
        post = (self.key, text, now())
        self.timeline.append(post)
        for follower in self.followers:
            send(follower._store_post(post))  # noqa: SLF001 - of this application
        return len(self.followers)

    async def add_follower(self, follower: Ref["Account"]) -> None:
        """Be followed."""
        self.followers.add(follower)

    async def _store_post(self, post: Post) -> None:
        self.timeline.append(post)

    @readonly
    async def get_timeline(self, limit: int = 10) -> list[Post]:
        """The last posts, oldest first."""
        return self.timeline.last(limit)
