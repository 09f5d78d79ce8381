"""Who follows whom: the paper's 10,000 accounts (LambdaObjects §5), and a real graph."""

import random
from dataclasses import dataclass

from ssms.demo.graph import load_graph

ACCOUNTS = 10_000
FOLLOWED = 10
_SEED = 5


@dataclass(frozen=True)
class Accounts:
    """names: of all accounts; followers: of each of them, as many as it has. label: for tables and figures."""

    label: str
    names: list[str]
    followers: dict[str, list[str]]

    @property
    def mean_followers(self) -> float:
        """To how many timelines a post goes, besides the author's own."""
        return sum(map(len, self.followers.values())) / len(self.names)


def paper(accounts: int = ACCOUNTS) -> Accounts:
    """So many accounts. The paper does not say who follows whom: here each follows ten others, drawn evenly."""
    rng = random.Random(_SEED)
    names = [f"u{n}" for n in range(accounts)]
    followers: dict[str, list[str]] = {name: [] for name in names}
    for name in names:
        for other in rng.sample(names, FOLLOWED):
            if other != name:
                followers[other].append(name)
    return Accounts(f"{accounts:,} accounts", names, followers)


def facebook(users_max: int | None = None) -> Accounts:
    """The ego-Facebook graph, or its first users: 4,039 of them, with 44 followers each and up to 1,045."""
    graph = load_graph(users_max)
    followers = {name: sorted(found) for name, found in graph.followers().items()}
    return Accounts(f"ego-Facebook, {len(graph.users):,} users", graph.users, followers)
