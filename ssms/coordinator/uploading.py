"""The workflows of uploads, as durable objects (SSMS §3.3)."""

from __future__ import annotations

from typing import ClassVar

from automata import effect
from ssms.coordinator.upload_steps import UploadOrder, UploadSteps


class Uploading:
    """One upload. key: its name."""

    steps: ClassVar[UploadSteps]
    key: str

    async def take(self, order: UploadOrder) -> None:
        """Examine a module, make it the version that runs, and let all hosts run it. Raises ModuleRefused."""
        examined = await effect(self.steps.examine, order)
        await effect(self.steps.add, order, examined)
        await effect(self.steps.spread)

    async def roll_back(self, version: int) -> None:
        """Let another version run. Raises InvalidArgument if there is none of this number."""
        await effect(self.steps.roll_back, self.key, version)
        await effect(self.steps.spread)

    async def remove(self) -> None:
        """Forget it, everywhere."""
        await effect(self.steps.remove, self.key)
        await effect(self.steps.spread)
