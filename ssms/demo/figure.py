"""The figure of a run: throughput and latencies as in LambdaObjects, Figures 1 and 2, and the kill over time."""

from pathlib import Path
from typing import Any

from ssms.demo.report import Report, title_of
from ssms.demo.svg import svg_of

COLOURS = {"Post": "#3b6fb6", "GetTimeline": "#4c9f70", "Follow": "#d98f3d"}


def draw(report: Report, path: Path) -> Path:
    """Write the figure; without matplotlib as SVG, whatever the name asks for. Returns where it is.

    Raises OSError where that cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return _draw_svg(report, path.with_suffix(".svg"))
    figure = Figure(figsize=(10, 7), layout="constrained", dpi=130)
    grid = figure.add_gridspec(2, 2, height_ratios=[1, 1.1])
    _draw_kill(figure.add_subplot(grid[0, :]), report)
    _draw_throughput(figure.add_subplot(grid[1, 0]), report)
    _draw_latency(figure.add_subplot(grid[1, 1]), report)
    figure.suptitle(title_of(report), fontsize=11, fontweight="bold")
    figure.savefig(path)
    return path


def _draw_svg(report: Report, path: Path) -> Path:
    path.write_text(svg_of(report, COLOURS))
    return path


def _draw_kill(axes: Any, report: Report) -> None:
    kill = report.kill
    times, counts = [0.0, *report.acknowledged_at], range(report.posts + 1)
    axes.fill_between(times, counts, step="post", color=COLOURS["Post"], alpha=0.25, linewidth=0)
    axes.step(times, counts, where="post", color=COLOURS["Post"], linewidth=1.8)
    axes.axvspan(kill.killed_at, kill.back_at, color="#c44e52", alpha=0.18, linewidth=0)
    axes.axvline(kill.killed_at, color="#c44e52", linewidth=1.5)
    axes.annotate(
        f"SIGKILL with {kill.in_flight} posts in flight;\nanswering again after {kill.back_at - kill.killed_at:.2f} s "
        f"(store opened in {kill.open_seconds * 1000:.0f} ms)",
        xy=(kill.killed_at, 0.0),
        xycoords="data",
        xytext=(8, 8),
        textcoords="offset points",
        va="bottom",
        fontsize=9,
        color="#8c2f33",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2},
    )
    axes.set(xlabel="seconds since the first post", ylabel="posts", title="Posts acknowledged")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.15 * report.posts)
    _bare(axes)


def _draw_throughput(axes: Any, report: Report) -> None:
    names = [operation.name for operation in report.operations]
    colours = [COLOURS[name] for name in names]
    bars = axes.bar(names, [operation.per_second for operation in report.operations], color=colours, width=0.6)
    axes.bar_label(bars, [f"{o.per_second:,.0f}" for o in report.operations], padding=2, fontsize=9)
    axes.set(ylabel="operations/s", title="Throughput (logarithmic)", yscale="log")
    rates = [operation.per_second for operation in report.operations]
    axes.set_ylim(min(rates) / 5, max(rates) * 2)
    _bare(axes)


def _draw_latency(axes: Any, report: Report) -> None:
    for at, operation in enumerate(report.operations):
        axes.bar(at, operation.p50_ms, color=COLOURS[operation.name], width=0.6)
        axes.plot([at, at], [operation.p50_ms, operation.p99_ms], color="#444444", linewidth=1.2)
        axes.plot([at - 0.12, at + 0.12], [operation.p99_ms] * 2, color="#444444", linewidth=2)
        axes.annotate(
            f"p50 {_ms(operation.p50_ms)}\np99 {_ms(operation.p99_ms)}",
            (at, operation.p99_ms),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axes.set_xticks(range(len(report.operations)), [operation.name for operation in report.operations])
    axes.set(ylabel="milliseconds", title="Latency: bars p50, lines p99 (logarithmic)", yscale="log")
    axes.margins(y=0.25)
    _bare(axes)


def _ms(value: float) -> str:
    return f"{value:.3f} ms" if value < 0.1 else f"{value:.1f} ms"


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.title.set_fontsize(10)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
