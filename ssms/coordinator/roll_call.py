"""Which machines are there: asked for every few ticks, and how long the others have been away."""

from __future__ import annotations

from automata.context import logger
from ssms.coordinator.machines import Machine, MachineFailed, Machines
from ssms.coordinator.settings import Settings
from ssms.peers import Unreachable


class RollCall:
    """What a coordinator knows of the machines. present: those that were last heard of, by id."""

    def __init__(self, machines: Machines, settings: Settings) -> None:
        self.present: dict[str, Machine] = {}
        self._machines = machines
        self._settings = settings
        self._away: dict[str, int] = {}

    @property
    def alive(self) -> dict[str, bool]:
        """Whether each node answers."""
        return {node.id: node.alive for node in self.present.values()}

    @property
    def lost(self) -> frozenset[str]:
        """The nodes that have been away for too long to wait for them."""
        return frozenset(node for node, ticks in self._away.items() if ticks > self._settings.absent_ticks_max)

    async def look(self, known: list[str], ticks: int) -> bool:
        """Ask for the nodes; whether anything is different. known: those of the catalog; ticks: since the last look."""
        try:
            found = {node.id: node for node in await self._machines.nodes()}
        except (MachineFailed, Unreachable) as error:
            logger.warning("the nodes cannot be listed: %s", error)
            return False
        before, lost = self.present, self.lost
        for node in known:
            found.setdefault(node, Machine(node, alive=False, is_head=False))
        self.present = found
        away = {node.id for node in found.values() if not node.alive}
        self._away = {node: self._away.get(node, 0) + ticks for node in away}
        return before != found or lost != self.lost
