"""All attacks in one process, one after the other: `python -m tests.hostile.all_attacks`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.core_modules import modules_app
from tests.hostile.attacks import ATTACKS, CEILING
from tests.hostile.survivor import survives


async def _all(folder: Path) -> None:
    async with modules_app(folder, limits=CEILING) as app:
        for attack in ATTACKS.values():
            await survives(app, folder, attack)
    sys.stdout.write(f"{len(ATTACKS)} survived\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_all(Path(name)))
