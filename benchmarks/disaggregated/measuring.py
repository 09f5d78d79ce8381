"""Both variants under the same load in one run, taking turns: throughput and latencies against clients."""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.bare_ray import ROOT, own_ray
from benchmarks.clusters import IS_THERE, Shape, opened
from benchmarks.disaggregated.accounts import ACCOUNTS, Accounts, facebook, paper
from benchmarks.disaggregated.checking import check
from benchmarks.disaggregated.clients import Run, run
from benchmarks.disaggregated.figures import draw
from benchmarks.disaggregated.retwis import Account
from benchmarks.disaggregated.variants import WORKLOADS, Aggregated, Disaggregated, Variant
from benchmarks.results import Result, against_floor, told, verdict

OUT = ROOT / "benchmarks" / "results"
MUST_THROUGHPUT, AIM_THROUGHPUT = 5, 8
MUST_LATENCY, AIM_LATENCY = 0.2, 0.12


@dataclass(frozen=True)
class Plan:
    """What is run. seconds: of each run; rounds: how often each is repeated."""

    graphs: tuple[Callable[[], Accounts], ...]
    clients: tuple[int, ...]
    seconds: float
    rounds: int


FULL = Plan((paper, facebook), (1, 10, 30, 100), 1.0, 2)
QUICK = Plan((lambda: paper(500),), (1, 20), 0.3, 1)


async def runs_of(variants: Iterable[Variant], accounts: Accounts, plan: Plan) -> list[Run]:
    """Each variant under each load, in turns; medians of the rounds."""
    variants = list(variants)
    for variant in variants:
        await variant.set_up(accounts)
        await check(variant, accounts)
        for workload in variant.workloads:
            await run(variant, accounts, workload, 10, plan.seconds / 3)  # to warm up
    found = []
    for workload in WORKLOADS:
        chosen = [variant for variant in variants if workload in variant.workloads]
        for clients in plan.clients:
            taken: list[list[Run]] = [[] for _ in chosen]
            for n in range(plan.rounds):
                for place in range(len(chosen)) if n % 2 else reversed(range(len(chosen))):
                    taken[place].append(await run(chosen[place], accounts, workload, clients, plan.seconds))
            found += [_medians(runs) for runs in taken]
    return found


def _medians(runs: list[Run]) -> Run:
    one = runs[0]
    figures = (median(getattr(r, name) for r in runs) for name in ("per_second", "p50_ms", "p99_ms"))
    return Run(one.variant, one.accounts, one.workload, one.clients, *figures)


async def compare(plan: Plan, aggregated: bool, embedded: bool) -> list[Run]:
    """All runs. aggregated: with that variant, on a cluster of one host, or embedded in this process."""
    found = []
    for graph in plan.graphs:
        accounts = graph()
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            if aggregated:
                await stack.enter_async_context(opened(Shape(), Account, embedded=embedded))
            else:
                stack.enter_context(own_ray())
            apart = [Disaggregated(folder / "apart", apart=True), Disaggregated(folder / "together")]
            variants: list[Variant] = [Aggregated(), *apart] if aggregated else [*apart]
            found += await runs_of(variants, accounts, plan)
            for variant in apart:
                await variant.close()
    return found


def results(runs: list[Run]) -> list[Result]:
    """What the figures say: ratios with the most clients, and what each variant reached."""
    most = max(run.clients for run in runs)
    found: list[Result] = []
    by_name = {(r.accounts, r.workload, r.variant): r for r in runs if r.clients == most}
    for (accounts, workload, variant), one in by_name.items():
        name = f"{workload}, {most} clients, {accounts}: {variant}"
        other = by_name.get((accounts, workload, "aggregated"))
        if variant == "aggregated" or other is None:
            found += [told(name, "1/s", one.per_second), told(f"{name}, p50", "ms", one.p50_ms)]
            continue
        rates, latencies = (other.per_second, one.per_second), (other.p50_ms, one.p50_ms)
        name = f"{workload}, {most} clients, {accounts}: aggregated against {variant}"
        found.append(against_floor(name, "1/s", rates, MUST_THROUGHPUT, AIM_THROUGHPUT))
        found.append(against_floor(f"{name}, p50", "ms", latencies, MUST_LATENCY, AIM_LATENCY))
    return found


def measure(quick: bool, embedded: bool = False, out: Path = OUT) -> list[Result]:
    """Run all of it, write figures and every run to `out`, and say what came of it."""
    runs = asyncio.run(compare(QUICK if quick else FULL, IS_THERE or embedded, embedded))
    out.mkdir(parents=True, exist_ok=True)
    (out / "retwis.json").write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    draw(runs, out, ACCOUNTS)
    return results(runs)


def main() -> None:
    """Print the results as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.disaggregated", description=measure.__doc__)
    parser.add_argument("--quick", action="store_true", help="short and small, to see that it works")
    parser.add_argument(
        "--embedded", action="store_true", help="the aggregated variant in this process, without a cluster"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="the folder for figures and runs")
    options = parser.parse_args()
    found = measure(options.quick, options.embedded, options.out)
    print(json.dumps([{**result, "verdict": verdict(result)} for result in found], indent=1))
