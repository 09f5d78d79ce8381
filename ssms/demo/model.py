"""What must be in the store at the end, worked out in plain Python from the graph and the plan."""

from collections import Counter
from dataclasses import dataclass

from ssms.demo.graph import Graph
from ssms.demo.plan import Plan, text_of


@dataclass(frozen=True)
class Seen:
    """What one user has: how many followers, and how often each post."""

    followers: int
    posts: Counter[str]


def expected(graph: Graph, plan: Plan) -> dict[str, Seen]:
    """Each user's followers, and once each post of their own and of those that they follow."""
    followers = graph.followers()
    posts: dict[str, Counter[str]] = {user: Counter() for user in graph.users}
    for number, author in enumerate(plan.authors(graph.users)):
        for reader in (author, *followers[author]):
            posts[reader][text_of(number)] += 1
    return {user: Seen(len(followers[user]), posts[user]) for user in graph.users}


def differences(wanted: dict[str, Seen], seen: dict[str, Seen]) -> list[str]:
    """One sentence for each user whose followers or timeline are not what they must be."""
    found = []
    for user, must in wanted.items():
        has = seen.get(user, Seen(0, Counter()))
        if has.followers != must.followers:
            found.append(f"User/{user} has {has.followers} followers instead of {must.followers}")
        lost, doubled = must.posts - has.posts, has.posts - must.posts
        if lost or doubled:
            found.append(f"User/{user}: {_list(lost)} lost, {_list(doubled)} doubled or misplaced")
    return found


def _list(posts: Counter[str]) -> str:
    return ", ".join(sorted(posts.elements())[:5]) + (" and more" if posts.total() > 5 else "") or "nothing"
