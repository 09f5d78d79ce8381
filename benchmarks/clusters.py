"""Clusters to measure: each of a shape, opened, measured and taken down again.

Where there is no cluster yet, and to try the benchmarks by themselves, the same code runs on the embedded engine.
"""

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ssms
from benchmarks.bare_ray import ROOT, own_ray

IS_THERE = hasattr(ssms, "local_cluster")


@dataclass(frozen=True)
class Shape:
    """nodes: simulated machines; replicas: copies of each store in all; hosts: on each node, each with a store."""

    nodes: int = 1
    replicas: int = 1
    hosts: int = 1


@dataclass(frozen=True)
class Place:
    """Where a benchmark runs. cluster: None on the embedded engine."""

    app: Any
    cluster: Any


@asynccontextmanager
async def opened(shape: Shape, *types: type, embedded: bool = False) -> AsyncIterator[Place]:
    """A cluster of this shape that knows `types`, and an app on it. Ray runs meanwhile, for floors in the same run."""
    if embedded:
        with own_ray(), tempfile.TemporaryDirectory(prefix="bench-") as folder:
            async with ssms.open(Path(folder)) as app:
                yield Place(app, None)
        return
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(ROOT) not in paths:  # the processes of the cluster import the types from here
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, paths)])
    with ssms.local_cluster(nodes=shape.nodes, replicas=shape.replicas, hosts_per_node=shape.hosts) as cluster:
        async with cluster.connect() as app:
            await app.deploy(*types)
            yield Place(app, cluster)
