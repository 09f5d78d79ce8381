"""What one run of the demo does: decided beforehand from a seed, so that worker and model agree without talking."""

import random
from dataclasses import dataclass

import msgspec

from ssms.demo.graph import Graph, load_graph


@dataclass(frozen=True)
class Plan:
    """store, journal: paths; users_max: None for all; callers: concurrent requests, as in LambdaObjects §5."""

    store: str
    journal: str
    users_max: int | None = None
    posts: int = 5_000
    reads: int = 20_000
    callers: int = 100
    seed: int = 7

    @property
    def post_callers(self) -> int:
        """Concurrent posts: fewer in a small demo, so that some are left to be made after the kill."""
        return min(self.callers, max(1, self.posts // 16))

    def graph(self) -> Graph:
        """The graph that it runs on."""
        return load_graph(self.users_max)

    def authors(self, users: list[str]) -> list[str]:
        """Who writes each post."""
        return random.Random(self.seed).choices(users, k=self.posts)

    def readers(self, users: list[str]) -> list[str]:
        """Whose timeline is read each time."""
        return random.Random(self.seed + 1).choices(users, k=self.reads)

    def encode(self) -> str:
        """As an argument of the worker."""
        return msgspec.json.encode(self).decode()


def decode_plan(text: str) -> Plan:
    """The plan that `encode` wrote."""
    return msgspec.json.decode(text, type=Plan)


def text_of(post: int) -> str:
    """What is written in post number `post`, by which it is found again."""
    return f"post {post}"
