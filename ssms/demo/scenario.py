"""The demo from beginning to end: three lives of a worker on one store, the first of them killed."""

import time
from collections.abc import Callable

from ssms.demo.journal import read_journal
from ssms.demo.plan import Plan
from ssms.demo.process import Worker
from ssms.demo.report import Kill, Operation, Report, operation
from ssms.demo.telling import Audited, Measured, Progress, Told, Up

FLIGHT_SECONDS_MAX = 0.25

Watch = Callable[[str, int, int], None]
"""Is told (phase, done, total) as the work goes on."""


class Scenario:
    """Runs a plan. watch: who sees the progress."""

    def __init__(self, plan: Plan, watch: Watch) -> None:
        self._plan = plan
        self._watch = watch
        self._operations: dict[str, Operation] = {}
        self._opened: list[float] = []
        self._audited = Audited(0, 0, [])

    def run(self) -> Report:
        """Load, post, kill half-way, open again, go on, read, and audit. Raises WorkerFailed."""
        begun = time.monotonic()
        killed = self._first_life()
        before = read_journal(self._plan.journal)
        self._live("post", "read")
        rest_seconds = self._operations["Post"].seconds
        self._live("audit")
        requests = read_journal(self._plan.journal)
        zero = min(requests.asked.values())
        times = {post: done.at - zero for post, done in requests.acknowledged.items()}
        back = [at for post, at in times.items() if post not in before.acknowledged] or [killed - zero]
        kill = Kill(
            killed - zero, len(before.acknowledged), len(before.in_flight), self._opened[1], min(back, default=0.0)
        )
        latencies = [done.latency for done in requests.acknowledged.values()]
        posts = operation("Post", kill.killed_at + rest_seconds, latencies)
        graph = self._plan.graph()
        return Report(
            users=len(graph.users),
            follows=len(graph.follows),
            posts=len(times),
            timelines=self._audited.timelines,
            operations=[posts, self._operations["GetTimeline"], self._operations["Follow"]],
            kill=kill,
            acknowledged_at=sorted(times.values()),
            differences=self._audited.differences,
            seconds=time.monotonic() - begun,
        )

    def _first_life(self) -> float:
        """Ends by SIGKILL once half of the posts are acknowledged. Returns when, in seconds since the epoch."""
        with Worker(self._plan, "load", "half") as worker:
            for told in worker:
                self._hear(told)
                if isinstance(told, Progress) and told.phase == "Post" and told.done >= told.total // 2:
                    break
            worker.go_on()
            self._await_flight()
            worker.kill()
            return time.time()

    def _await_flight(self) -> None:
        """Answers come in bursts, as groups become durable: kill between two of them, with most callers waiting.

        On a machine that is busy elsewhere all may be answered before this is seen: it is bounded, and the report says
        how many were in flight.
        """
        deadline = time.monotonic() + FLIGHT_SECONDS_MAX
        while 2 * len(read_journal(self._plan.journal).in_flight) < self._plan.post_callers:
            if time.monotonic() > deadline:
                return

    def _live(self, *phases: str) -> None:
        with Worker(self._plan, *phases) as worker:
            for told in worker:
                self._hear(told)

    def _hear(self, told: Told) -> None:
        match told:
            case Progress():
                self._watch(told.phase, told.done, told.total)
            case Measured():
                self._operations[told.operation.name] = told.operation
            case Up():
                self._opened.append(told.seconds)
            case Audited():
                self._audited = told
