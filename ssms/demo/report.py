"""What a run of the demo found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """One of the workloads of LambdaObjects §5. seconds: of the phase; latencies: p50 and p99, in milliseconds."""

    name: str
    count: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Throughput."""
        return self.count / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Kill:
    """The SIGKILL in the middle. Times are seconds since the first post was asked.

    killed_at: when; acknowledged: posts answered before it; in_flight: posts asked and not answered; open_seconds: how
    long the next life took to open the store; back_at: when it had answered a post.
    """

    killed_at: float
    acknowledged: int
    in_flight: int
    open_seconds: float
    back_at: float


@dataclass(frozen=True)
class Report:
    """The whole. timelines: posts in all timelines together; acknowledged_at: when each post was answered, in seconds
    since the first was asked; differences: what is not as the model says, none if all is well."""

    users: int
    follows: int
    posts: int
    timelines: int
    operations: list[Operation]
    kill: Kill
    acknowledged_at: list[float]
    differences: list[str]
    seconds: float


def operation(name: str, seconds: float, latencies: list[float]) -> Operation:
    """Figures of one phase. latencies: in seconds, at least one."""
    ordered = sorted(latencies)
    return Operation(name, len(ordered), seconds, _percentile(ordered, 50), _percentile(ordered, 99))


def _percentile(ordered: list[float], percent: int) -> float:
    """In milliseconds: the smallest value that so many percent do not exceed."""
    return 1000 * ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def flight_of(kill: Kill) -> str:
    """What the kill met, in words: it proves less when that was nothing."""
    if not kill.in_flight:
        return "with nothing in flight, so that it interrupted no post: run it again"
    return f"with {kill.in_flight} in flight"


def title_of(report: Report) -> str:
    """What the figure shows, in two lines."""
    verdict = "nothing lost, nothing doubled" if not report.differences else f"{len(report.differences)} DIFFERENCES"
    return (
        f"Retwis on the ego-Facebook graph: {report.users:,} users, {report.follows:,} follows\n"
        f"{report.posts:,} posts in {report.timelines:,} timeline entries: {verdict}"
    )
