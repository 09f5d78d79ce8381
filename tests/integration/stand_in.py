"""Servers that hold nothing: they answer who they are, so that a real cluster can be tested without an engine."""

import asyncio
import os
from pathlib import Path
from typing import Any

from automata.errors import StorageFull
from ssms.on_ray.homes import CoordinatorHome, CopyHome, Roles
from ssms.on_ray.machines import RayMachines
from ssms.placement import Placement, StorePlace
from ssms.slots import SLOTS


class StandInCopy:
    """Counts its lives in a file of its folder."""

    def __init__(self, home: CopyHome) -> None:
        self.home = home
        self.lives = Path(home.folder) / "lives"

    async def start(self) -> None:
        self.lives.parent.mkdir(parents=True, exist_ok=True)
        with self.lives.open("a") as file:
            file.write(f"{os.getpid()}\n")

    async def serve(self, what: str, args: tuple[Any, ...]) -> Any:
        if what == "who":
            return self.home.node, self.home.copy, os.getpid()
        if what == "lives":
            return len(self.lives.read_text().splitlines())
        if what == "refuse":
            raise StorageFull("no room")
        if what == "watch":
            await asyncio.Event().wait()
        return args

    async def stop(self) -> None:
        (self.lives.parent / "closed").touch()


class StandInCoordinator:
    """Does to the machines what it is asked to."""

    def __init__(self, home: CoordinatorHome) -> None:
        self.machines = RayMachines(home.plan, home.roles)

    async def start(self) -> None: ...

    async def serve(self, what: str, args: tuple[Any, ...]) -> Any:
        if what in ("start", "stop"):
            return None
        if what == "placement":
            return Placement(1, bytes(2 * SLOTS), (StorePlace(bytes(16), 1, "nobody", "n1"),)).encode()
        return await getattr(self.machines, what)(*args)

    async def stop(self) -> None: ...


STAND_IN = Roles(copy=StandInCopy, coordinator=StandInCoordinator)
