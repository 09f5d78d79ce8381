"""The paper's two figures (LambdaObjects, Figures 1 and 2) from this machine, and both against clients."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.disaggregated.clients import Run
from benchmarks.disaggregated.variants import WORKLOADS

COLOURS = {"aggregated": "#3b6fb6", "disaggregated": "#d98f3d", "disaggregated, a call a follower": "#9c8a68"}
_WIDTH = 0.26


def draw(runs: list[Run], folder: Path, accounts_paper: int) -> list[Path]:
    """Write retwis-throughput.svg and retwis-latency.svg. Without matplotlib (the [plot] extra) nothing is drawn."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return []
    drawn = []
    for name, unit, title in (
        ("throughput", "operations/s", "Throughput of Retwis (LambdaObjects, Figure 1)"),
        ("latency", "milliseconds", "Latencies of Retwis (LambdaObjects, Figure 2): bars p50, lines p99"),
    ):
        labels = sorted({run.accounts for run in runs}, key=lambda label: not label.startswith(f"{accounts_paper:,}"))
        figure = Figure(figsize=(13, 3.6 * len(labels)), layout="constrained")
        grid = figure.add_gridspec(len(labels), 1 + len(WORKLOADS), width_ratios=[1.6, 1, 1, 1])
        for row, label in enumerate(labels):
            there = [run for run in runs if run.accounts == label]
            _draw_bars(figure.add_subplot(grid[row, 0]), there, name, unit)
            for column, workload in enumerate(WORKLOADS, start=1):
                _draw_curves(figure.add_subplot(grid[row, column]), [r for r in there if r.workload == workload], name)
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        figure.suptitle(title, fontsize=11, fontweight="bold")
        drawn.append(folder / f"retwis-{name}.svg")
        figure.savefig(drawn[-1], metadata={"Date": None})
    return drawn


def _draw_bars(axes: Any, runs: list[Run], name: str, unit: str) -> None:
    """What the paper shows: all workloads with the most clients."""
    most = max(run.clients for run in runs)
    variants = [variant for variant in COLOURS if any(run.variant == variant for run in runs)]
    for at, variant in enumerate(variants):
        chosen = {run.workload: run for run in runs if run.variant == variant and run.clients == most}
        there = [workload for workload in WORKLOADS if workload in chosen]
        places = [WORKLOADS.index(workload) + (at - (len(variants) - 1) / 2) * _WIDTH for workload in there]
        heights = [_figure(chosen[workload], name) for workload in there]
        bars = axes.bar(places, heights, _WIDTH, color=COLOURS[variant], label=variant)
        axes.bar_label(bars, [_short(height) for height in heights], fontsize=7, label_type="center", color="white")
        if name == "latency":
            p99 = [chosen[workload].p99_ms for workload in there]
            axes.vlines(places, heights, p99, color="#444444", linewidth=1.2)
            axes.scatter(places, p99, marker="_", color="#444444", s=40)
    axes.set_xticks(range(len(WORKLOADS)), WORKLOADS)
    axes.set(ylabel=unit, yscale="log", title=f"{runs[0].accounts}, {most} clients")
    axes.margins(y=0.15)
    _bare(axes)


def _draw_curves(axes: Any, runs: list[Run], name: str) -> None:
    """One workload against the number of clients."""
    for variant, colour in COLOURS.items():
        chosen = sorted((run.clients, _figure(run, name)) for run in runs if run.variant == variant)
        if chosen:
            axes.plot(*_columns(chosen), color=colour, marker="o", markersize=3)
    axes.set(xlabel="clients", xscale="log", yscale="log", title=runs[0].workload)
    _bare(axes)


def _figure(run: Run, name: str) -> float:
    return run.per_second if name == "throughput" else run.p50_ms


def _columns(pairs: Iterable[tuple[int, float]]) -> tuple[list[int], list[float]]:
    kept = list(pairs)
    return [clients for clients, _ in kept], [value for _, value in kept]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.title.set_fontsize(9)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
