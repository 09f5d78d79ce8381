"""The ego-Facebook graph: 4,039 users, 88,234 friendships, each taken as two people who follow each other.

Source: SNAP, ego-Facebook. J. McAuley and J. Leskovec, "Learning to Discover Social Circles in Ego Networks", NIPS
2012. The file has one undirected edge `a b` a line, as published.
"""

import gzip
from dataclasses import dataclass
from importlib.resources import files

FILE = "ego-facebook.txt.gz"


@dataclass(frozen=True)
class Graph:
    """users: names, in numerical order; follows: (follower, followed)."""

    users: list[str]
    follows: list[tuple[str, str]]

    def followers(self) -> dict[str, set[str]]:
        """Who follows each user."""
        found: dict[str, set[str]] = {user: set() for user in self.users}
        for follower, followed in self.follows:
            found[followed].add(follower)
        return found


def load_graph(users_max: int | None = None) -> Graph:
    """The graph, or the part of it among the first `users_max` users that have a friend there."""
    text = gzip.decompress(files("ssms.demo").joinpath(FILE).read_bytes()).decode()
    edges = [(int(a), int(b)) for a, b in (line.split() for line in text.splitlines())]
    names = sorted({user for edge in edges for user in edge})[:users_max]
    last = names[-1]
    kept = [(str(a), str(b)) for a, b in edges if a <= last and b <= last]
    users = sorted({user for edge in kept for user in edge}, key=int)
    return Graph(users, [pair for a, b in kept for pair in ((a, b), (b, a))])
