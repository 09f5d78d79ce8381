"""Uploads on real processes: each host has the module on its own disk, and runs it when it has been killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import ssms
from automata import call, gather, object_type, readonly, ref
from automata.errors import ModuleRefused, UnknownType
from ssms.on_ray.local_cluster import LocalCluster
from tests.integration.command_line import ssms as command
from tests.memory_app import settled
from tests.uploaded_tally import tally

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
KEYS = [f"k{n}" for n in range(6)]


@object_type(name="tests.UploadedPurse")
class Purse:
    held: int = 0

    async def add(self, amount: int) -> int:
        self.held += amount
        return self.held

    @readonly
    async def look(self) -> int:
        return self.held


def test_an_upload_is_called_replaced_and_rolled_back_while_hosts_are_killed(tmp_path: Path) -> None:
    def module(step: int) -> Path:
        return tally(tmp_path, step=step, other="tests.UploadedPurse")

    async def scenario(app: ssms.App, cluster: LocalCluster) -> None:
        await app.deploy(Purse)
        assert (await app.upload(module(1), name="t", uploader="ann")).types == ["Tally"]
        assert await gather(*(ref("Tally", key).add(2) for key in KEYS)) == [2] * len(KEYS)
        asked = [call(ref("Tally", key).ask(to), idempotency_key=to) for key in KEYS for to in KEYS]
        told = [call(ref("Tally", key).tell(to), idempotency_key=f"told {to}") for key in KEYS for to in KEYS]
        killing = asyncio.to_thread(cluster.kill_host, cluster.nodes[0])
        await asyncio.gather(killing, *asked, *told)
        each = 2 + len(KEYS) * (11 + 100)
        assert await gather(*(ref("Tally", key).get() for key in KEYS)) == [each] * len(KEYS)

        async def purses() -> list[int]:
            return await gather(*(ref(Purse, key).look() for key in KEYS))

        await settled(purses, [len(KEYS) * (5 + 7)] * len(KEYS))
        await app.upload(module(10), name="t", uploader="ann")
        for node in cluster.nodes:
            await asyncio.to_thread(cluster.kill_host, node)
        assert await ref("Tally", KEYS[0]).add(1) == each + 10
        listed = await asyncio.to_thread(
            command, "upload", "--list", "--address", cluster.address, "--json", cwd=tmp_path
        )
        assert [(one["name"], one["versions"]) for one in listed.json] == [("t", [1, 2])], listed.err
        called = await asyncio.to_thread(
            command, "call", f"Tally/{KEYS[0]}", "get", "--address", cluster.address, "--json", cwd=tmp_path
        )
        assert called.json == {"result": each + 10}, called.err
        with pytest.raises(ModuleRefused):
            await app.upload(__file__, name="bad")
        assert (await app.roll_back_upload("t")).version == 1
        assert await ref("Tally", KEYS[0]).add(1) == each + 11
        await app.remove_upload("t")
        with pytest.raises(UnknownType):
            await ref("Tally", KEYS[0]).add(1)

    async def connected(cluster: LocalCluster) -> None:
        async with cluster.connect() as app:
            await asyncio.wait_for(scenario(app, cluster), 200)  # type: ignore[arg-type]

    with ssms.local_cluster(nodes=2, replicas=2) as cluster:
        asyncio.run(connected(cluster))
