"""Methods of types with `compute="worker"` on a cluster: in actors near their host, which know deployed classes."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

import ssms
from automata import object_type, ref, send
from automata.errors import WorkerDied
from tests.memory_app import settled

pytestmark = pytest.mark.process


@object_type(name="tests.ClusterHand", compute="worker", num_cpus=0.5)
class Hand:
    key: str
    done: int = 0
    heard: int = 0

    async def work(self) -> tuple[int, int]:
        self.done += 1
        return os.getpid(), self.done

    async def die(self) -> None:
        self.done += 100
        os.kill(os.getpid(), signal.SIGKILL)

    async def tell(self, other: str) -> None:
        send(ref(Hand, other).hear())

    async def hear(self) -> None:
        self.heard += 1

    async def look(self) -> tuple[int, int]:
        return self.done, self.heard


def test_methods_run_in_workers_of_their_host_and_a_killed_one_changes_nothing() -> None:
    async def scenario(app: ssms.App) -> None:
        await app.deploy(Hand)
        one, two = await ref(Hand, "a").work(), await ref(Hand, "a").work()
        assert (one[1], two[1]) == (1, 2)
        assert one[0] == two[0] != os.getpid()
        with pytest.raises(WorkerDied, match="Hand/a die"):
            await ref(Hand, "a").die()
        assert (await ref(Hand, "a").work())[1] == 3
        await ref(Hand, "a").tell("b")
        await settled(ref(Hand, "b").look, (0, 1))

    async def connected() -> None:
        async with cluster.connect() as app:
            await asyncio.wait_for(scenario(app), 120)

    with ssms.local_cluster(nodes=1, replicas=1) as cluster:
        asyncio.run(connected())
