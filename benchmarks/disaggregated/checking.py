"""Before anything is measured: both variants do what Retwis is to do, held against a plain model of it."""

import asyncio
import random
from collections import defaultdict

from benchmarks.disaggregated.accounts import Accounts
from benchmarks.disaggregated.variants import Variant

POSTS, FOLLOWS = 60, 20
SHOWN = 10
"""Entries of a timeline that are shown: of longer ones any ten may be the last, since posts are made at once."""


class WrongTimeline(AssertionError):
    """A variant shows other posts than it should: its figures mean nothing."""


async def check(variant: Variant, accounts: Accounts) -> None:
    """Follow and post on fresh accounts, and look at the timelines that this concerns. Raises WrongTimeline."""
    rng = random.Random(1)
    followers = {name: set(found) for name, found in accounts.followers.items()}
    follows = [tuple(rng.sample(accounts.names, 2)) for _ in range(FOLLOWS)]
    await asyncio.gather(*(variant.follow(followed, follower) for followed, follower in follows))
    for followed, follower in follows:
        followers[followed].add(follower)
    authors = [followed for followed, _ in follows] + rng.choices(accounts.names, k=POSTS - FOLLOWS)
    expected: dict[str, list[str]] = defaultdict(list)
    for number, author in enumerate(authors):
        for reader in (author, *followers[author]):
            expected[reader].append(f"post {number}")
    await asyncio.gather(*(variant.create_post(author, f"post {n}") for n, author in enumerate(authors)))
    await variant.settle()
    readers = list(expected)[:1000]
    for reader, shown in zip(readers, await asyncio.gather(*map(variant.get_timeline, readers)), strict=True):
        texts, posted = [text for _, text, _ in shown], expected[reader]
        right = sorted(texts) == sorted(posted) if len(posted) <= SHOWN else set(texts) <= set(posted)
        if not right or len(texts) != min(SHOWN, len(posted)):
            raise WrongTimeline(f"{variant.name}: {reader} sees {texts}, and {posted} were posted to it")
