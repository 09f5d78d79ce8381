"""Retwis as objects (LambdaObjects §3, Listing 1)."""

from dataclasses import dataclass

from automata import List, Ref, Set, now, object_type, readonly, ref, send


@dataclass
class Post:
    """One message of a user. time: seconds since the epoch."""

    author: str
    text: str
    time: float


@object_type
class User:
    """Someone with followers, and with a timeline of what those they follow have posted."""

    key: str
    name: str = ""
    followers: Set[Ref["User"]]
    timeline: List[Post]

    async def register(self, name: str) -> None:
        """Take a name."""
        self.name = name

    async def follow(self, followed: Ref["User"]) -> None:
        """Follow somebody: from now on their posts come here."""
        send(followed._add_follower(ref(self)))  # noqa: SLF001 - of this application

    async def create_post(self, text: str) -> int:
        """Post to one's own timeline and to those of all followers, as one step. Returns how many these are."""
        post = Post(self.name, text, now())
        self.timeline.append(post)
        for follower in self.followers:
            send(follower._store_post(post))  # noqa: SLF001 - of this application
        return len(self.followers)

    async def _add_follower(self, follower: Ref["User"]) -> None:
        self.followers.add(follower)

    async def _store_post(self, post: Post) -> None:
        self.timeline.append(post)

    @readonly
    async def get_timeline(self, limit: int = 10) -> list[Post]:
        """The last posts, oldest first."""
        return list(self.timeline.last(limit))

    @readonly
    async def count(self) -> tuple[int, int]:
        """(followers, posts in the timeline)."""
        return len(self.followers), len(self.timeline)

    @readonly
    async def texts(self) -> list[str]:
        """The text of every post in the timeline, in order of arrival."""
        return [post.text for post in self.timeline]
