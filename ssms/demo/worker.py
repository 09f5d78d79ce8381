"""The process that does the work of the demo, and that is killed: `python -m ssms.demo.worker PLAN PHASE...`.

load: register everybody, and let them follow. half: post, to be killed half-way. post: repeat the posts that nobody saw
acknowledged, then go on with the rest, until all are in all timelines. read: read timelines. audit: compare everything
with the model.
"""

import asyncio
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import ssms
from automata import call, ref
from ssms.demo.graph import Graph
from ssms.demo.journal import Journal, read_journal
from ssms.demo.model import Seen, differences, expected
from ssms.demo.plan import Plan, decode_plan, text_of
from ssms.demo.report import operation
from ssms.demo.retwis import Post, User
from ssms.demo.telling import Audited, Measured, Progress, Up, tell

TELL_SECONDS = 0.05
QUIET_SECONDS_MAX = 3.0


class Workload:
    """Operations of one phase, by a number of concurrent callers."""

    def __init__(self, phase: str, total: int, done: int = 0) -> None:
        self.phase = phase
        self.total = total
        self.done = done
        self.latencies: list[float] = []
        self._told_at = 0.0
        self._started = time.perf_counter()

    async def run(self, operations: Iterable[Callable[[], Awaitable[object]]], callers: int) -> None:
        """Make all of them, each caller one at a time."""
        waiting = iter(operations)
        await asyncio.gather(*(self._caller(waiting) for _ in range(callers)))

    def end(self) -> None:
        """Tell what was measured."""
        tell(Progress(self.phase, self.done, self.total))
        tell(Measured(operation(self.phase, time.perf_counter() - self._started, self.latencies)))

    async def _caller(self, operations: Iterable[Callable[[], Awaitable[object]]]) -> None:
        for make in operations:
            begun = time.perf_counter()
            await make()
            self.latencies.append(time.perf_counter() - begun)
            self.done += 1
            await asyncio.sleep(0)  # callers are peers: none makes its next call before the others had a turn
            if begun - self._told_at > TELL_SECONDS or self.done == self.total // 2:
                self._told_at = begun
                tell(Progress(self.phase, self.done, self.total))


async def load(graph: Graph, plan: Plan) -> None:
    """Register all users and make all follows, until every follower is known where they follow."""
    register = Workload("Register", len(graph.users))
    await register.run((partial(_register, user) for user in graph.users), plan.callers)
    register.end()
    follow = Workload("Follow", len(graph.follows))
    await follow.run((partial(_follow, *pair) for pair in graph.follows), plan.callers)
    await settled(graph, lambda followers, _: followers == len(graph.follows))
    follow.end()


async def half(graph: Graph, plan: Plan) -> None:
    """Make half of the posts, and once told to go on some more, amid which this process is to be killed.

    A small demo would be through with all before anybody could kill it: hence the wait, and not many more than half.
    """
    posts = await make_posts(graph, plan, plan.posts // 2)
    tell(Progress(posts.phase, posts.done, posts.total))
    await asyncio.to_thread(sys.stdin.readline)
    await make_posts(graph, plan, plan.posts // 2 + 4 * plan.post_callers)
    await asyncio.Event().wait()


async def post(graph: Graph, plan: Plan) -> None:
    """Make all posts that are not acknowledged yet, and wait until they are where they belong."""
    posts = await make_posts(graph, plan, plan.posts)
    followers = graph.followers()
    reached = sum(1 + len(followers[author]) for author in plan.authors(graph.users))
    await settled(graph, lambda _, timelines: timelines == reached)
    posts.end()


async def make_posts(graph: Graph, plan: Plan, behind: int) -> Workload:
    """Make the posts below number `behind` that are not acknowledged, each under its own key, written down first."""
    before = read_journal(plan.journal)
    journal = Journal(plan.journal)
    authors = plan.authors(graph.users)

    async def make(number: int) -> None:
        begun = time.time()
        journal.ask(number, begun)
        await call(ref(User, authors[number]).create_post(text_of(number)), idempotency_key=text_of(number))
        now = time.time()
        journal.acknowledge(number, now, now - begun)

    rest = [number for number in range(behind) if number not in before.asked]
    posts = Workload("Post", plan.posts, done=len(before.acknowledged))
    await posts.run((partial(make, number) for number in [*before.in_flight, *rest]), plan.post_callers)
    journal.close()
    return posts


async def read(graph: Graph, plan: Plan) -> None:
    """Read the last ten posts of timelines."""
    reads = Workload("GetTimeline", plan.reads)
    await reads.run((partial(_read, user) for user in plan.readers(graph.users)), plan.callers)
    reads.end()


async def audit(graph: Graph, plan: Plan) -> None:
    """Compare every follower count and every timeline, post by post, with the model."""
    wanted = expected(graph, plan)
    followers = sum(must.followers for must in wanted.values())
    posts = sum(must.posts.total() for must in wanted.values())
    with contextlib.suppress(TimeoutError):  # what is not there by then is reported as lost
        await settled(graph, lambda *sums: sums == (followers, posts))
    seen = {}
    for user in graph.users:
        count, _ = await ref(User, user).count()
        seen[user] = Seen(count, Counter(await ref(User, user).texts()))
        if len(seen) % 500 == 0:
            tell(Progress("Audit", len(seen), len(graph.users)))
    tell(Progress("Audit", len(seen), len(graph.users)))
    found = sum(has.followers for has in seen.values()), sum(has.posts.total() for has in seen.values())
    tell(Audited(*found, differences(wanted, seen)))


def _register(user: str) -> Awaitable[None]:
    return ref(User, user).register(user)


def _follow(follower: str, followed: str) -> Awaitable[None]:
    return ref(User, follower).follow(ref(User, followed))


def _read(user: str) -> Awaitable[list[Post]]:
    return ref(User, user).get_timeline(10)


async def settled(graph: Graph, enough: Callable[[int, int], bool]) -> None:
    """Wait until all messages are delivered, going by the sums of followers and posts.

    Raises TimeoutError when the sums have not changed for a while.
    """
    last, changed_at = (-1, -1), time.monotonic()
    while True:
        counts = [await ref(User, user).count() for user in graph.users]
        sums = sum(followers for followers, _ in counts), sum(posts for _, posts in counts)
        if enough(*sums):
            return
        if sums != last:
            last, changed_at = sums, time.monotonic()
        elif time.monotonic() - changed_at > QUIET_SECONDS_MAX:
            raise TimeoutError(f"{sums} followers and posts have arrived, and no more come")
        await asyncio.sleep(TELL_SECONDS)


async def work(plan: Plan, phases: list[str]) -> None:
    """Open the store and do the phases in order."""
    graph = plan.graph()
    begun = time.perf_counter()
    async with ssms.open(plan.store):
        tell(Up(time.perf_counter() - begun))
        for phase in phases:
            await PHASES[phase](graph, plan)


PHASES = {"load": load, "half": half, "post": post, "read": read, "audit": audit}

if __name__ == "__main__":
    try:
        asyncio.run(work(decode_plan(sys.argv[1]), sys.argv[2:]))
    except KeyboardInterrupt:  # the whole demo was: the process that started this one says so
        sys.exit(130)
