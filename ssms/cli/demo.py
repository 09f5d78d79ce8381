"""`ssms demo`: the main job on real input, with a SIGKILL in the middle and a check at the end."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from darq.errors import StorePathError
from ssms.cli.options import Common, takes
from ssms.cli.output import FAILED, err, out, print_json, print_table, reported
from ssms.cli.signals import interruptible
from ssms.demo.figure import draw
from ssms.demo.plan import Plan
from ssms.demo.report import Report, flight_of
from ssms.demo.scenario import Scenario, Watch

UsersOption = Annotated[int | None, typer.Option("--users", min=10, help="Only the first N users.", show_default="all")]
PostsOption = Annotated[int, typer.Option("--posts", min=16, help="How many posts are made.")]
PlotOption = Annotated[Path, typer.Option("--plot", metavar="PATH", dir_okay=False, help="Where the figure goes.")]
KeepOption = Annotated[
    Path | None,
    typer.Option("--store", metavar="PATH", help="A new folder, to keep the store in.", show_default="a temporary one"),
]


@takes("json")
def demo(
    *,
    common: Common,
    users: UsersOption = None,
    posts: PostsOption = Plan.posts,
    store: KeepOption = None,
    plot: PlotOption = Path("ssms-demo.png"),
) -> None:
    """Run Retwis on the ego-Facebook graph, kill it half-way, and show that nothing was lost or doubled.

    4,039 users follow each other 176,468 times, post, and read timelines, in a process that is killed with SIGKILL
    while posts are in flight, and started again. Then every follower count and every timeline is compared with a model
    in plain Python. Prints throughput and latencies, and draws a figure. Exits with 1 if anything differs.

    Example: ssms demo --users 500 --posts 300 --plot demo.png
    """
    temporary = tempfile.TemporaryDirectory(prefix="ssms-demo-")
    with reported(common.json), interruptible(temporary, "the demo was not finished") as folder:
        _check_new(store)
        plan = Plan(str(store or Path(folder, "store")), str(Path(folder, "journal")), users, posts)
        with _progress() as watch:
            report = Scenario(plan, watch).run()
        drawn = _draw(report, plot)
    if common.json:
        print_json(_document(report, drawn, store))
    else:
        _print(report, drawn, store)
    if report.differences:
        raise typer.Exit(FAILED)


def _check_new(store: Path | None) -> None:
    if store is not None and store.exists() and (not store.is_dir() or any(store.iterdir())):
        raise StorePathError(f"{store} is there already: the demo needs a new folder for its store")


def _draw(report: Report, plot: Path) -> Path:
    try:
        return draw(report, plot)
    except OSError as error:
        raise StorePathError(f"the figure cannot be written to {plot}: {error.strerror or error}") from error


@contextmanager
def _progress() -> Iterator[Watch]:
    """Bars on a terminal; elsewhere one line a phase."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err()) as progress:
        yield _Bars(progress)


class _Bars:
    """One bar a phase."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars = dict[str, int]()

    def __call__(self, phase: str, done: int, total: int) -> None:
        if phase not in self._bars:
            self._bars[phase] = self._progress.add_task(phase, total=total)
        self._progress.update(self._bars[phase], completed=done)  # type: ignore[arg-type]


class _Lines:
    """A line when a phase begins."""

    def __init__(self) -> None:
        self._seen = set[str]()

    def __call__(self, phase: str, done: int, total: int) -> None:
        if phase not in self._seen:
            self._seen.add(phase)
            err().print(f"{phase}: {total:,}")


def _document(report: Report, plot: Path, store: Path | None) -> dict[str, object]:
    found = asdict(report)
    del found["acknowledged_at"]
    for operation, shown in zip(report.operations, found["operations"], strict=True):
        shown["per_second"] = operation.per_second
    return {"ok": not report.differences, **found, "plot": str(plot), "store": str(store) if store else None}


def _print(report: Report, plot: Path, store: Path | None) -> None:
    rows = [[o.name, f"{o.count:,}", f"{o.per_second:,.0f}", _ms(o.p50_ms), _ms(o.p99_ms)] for o in report.operations]
    print_table("Retwis, up to 100 concurrent callers", ["operation", "count", "per second", "p50 ms", "p99 ms"], rows)
    kill, console = report.kill, out()
    lines = [
        "Post      spans the kill: the time of both processes, without the restart between them; its p99 includes the "
        "posts that the kill interrupted, timed from when they were repeated",
        f"killed    by SIGKILL after {kill.acknowledged:,} acknowledged posts, {flight_of(kill)}; "
        f"opened again in {kill.open_seconds * 1000:.0f} ms, answering {kill.back_at - kill.killed_at:.2f} s after it",
        f"checked   {report.users:,} users, {report.follows:,} follows, {report.posts:,} posts in {report.timelines:,} "
        f"timeline entries, in {report.seconds:.1f} s",
        *(f"DIFFERS   {difference}" for difference in report.differences[:20]),
        f"result    {_verdict(report)}",
        f"figure    {plot}",
        *([f"store     {store}: ssms ps --store {store}"] if store else []),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _verdict(report: Report) -> str:
    if report.differences:
        return f"FAILED: {len(report.differences)} users differ from the model"
    return "nothing lost, nothing doubled"


def _ms(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:,.1f}"
