"""The servers that the processes of a real cluster run, put together: RocksDB below, Ray between."""

from __future__ import annotations

import gc
import logging
import os
import time
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from automata.options import Options
from darq.folder import MODULES
from darq.replication import Options as CopyOptions
from darq.rocks import RocksStore
from ssms import coordinator
from ssms.catalog import Catalog, versions
from ssms.deployed_types import DeployedTypes
from ssms.on_ray.belonging import check_belongs
from ssms.on_ray.homes import CoordinatorHome, CopyHome, Roles
from ssms.on_ray.machines import RayMachines
from ssms.on_ray.peers import RayPeers
from ssms.on_ray.renewing import RenewedServer
from ssms.on_ray.serving import Served
from ssms.on_ray.workers import WorkerPlaces
from ssms.server import Server
from ssms.server_surroundings import Surroundings

_LEFT = 1
_NEW_OBJECTS_PER_COLLECTION = 100_000
_logger = logging.getLogger("ssms")


class CoordinatorServer:
    """The coordinator over its folder: `store` (its workflows) and, unless the plan names another, `catalog.sqlite`."""

    def __init__(self, home: CoordinatorHome) -> None:
        self._home = home
        self._catalog: Catalog | None = None
        self._coordinator: coordinator.Coordinator | None = None

    async def start(self) -> None:
        """Open the catalog, and resume what was unfinished. Raises what either raises."""
        home, folder = self._home, Path(self._home.folder)
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - once, before anybody is served
        self._catalog = Catalog(home.plan.catalog or f"sqlite:///{folder / 'catalog.sqlite'}", uuid4().hex)
        check_belongs(folder, self._catalog.read(versions.value, versions.CLUSTER), self._catalog.where)
        settings = coordinator.Settings(token=home.plan.token or None, auto_join=home.plan.auto_join)
        world = coordinator.Surroundings(
            self._catalog, RayMachines(home.plan, home.roles), RayPeers(), settings, leave=_leave
        )
        self._coordinator = coordinator.Coordinator(world, partial(RocksStore, folder / "store"))
        await self._coordinator.open()

    async def serve(self, what: str, args: tuple[Any, ...]) -> Any:
        """One call of the coordinator."""
        assert self._coordinator is not None
        return await self._coordinator.serve(what, args)

    async def stop(self) -> None:
        """Close both."""
        if self._coordinator is not None:
            await self._coordinator.close()
        if self._catalog is not None:
            self._catalog.close()


def copy_server(home: CopyHome) -> Served:
    """A copy of a store over its folder, with workers near it."""
    _collect_seldom()
    open_store, deployed = partial(RocksStore, home.folder, identity=home.store), DeployedTypes()
    around = Surroundings(
        RayPeers(),
        open_store,
        time.monotonic,
        _leave,
        options=Options(workers=WorkerPlaces(types=deployed.encoded).workers, modules=Path(home.folder) / MODULES),
        copying=CopyOptions(min_in_sync=home.min_in_sync),
        deployed=deployed,
        renewed=True,
    )
    return RenewedServer(Server(home.copy, around), time.monotonic)


def _collect_seldom() -> None:
    """A host makes little garbage in cycles, and what it loads stays: looking for some took a tenth of its time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_PER_COLLECTION, 20, 50)


def _leave(why: BaseException) -> None:
    """A copy, or the coordinator, may not go on: its process ends, and Ray starts it anew."""
    _logger.error("this process leaves, and begins anew", exc_info=why)
    os._exit(_LEFT)


ROLES = Roles(copy=copy_server, coordinator=CoordinatorServer)
"""What `ssms up` and `ssms.local_cluster` run."""
