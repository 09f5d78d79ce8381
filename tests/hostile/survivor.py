"""An attack on a host that others use: what it comes to, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automata import errors, object_type, ref
from automata.app import App
from tests.core_modules import take
from tests.hostile.attacks import Attack


@object_type(name="Bystander")
class Bystander:
    key: str
    poked: int = 0

    async def poke(self, by: int) -> int:
        self.poked += by
        return self.poked

    async def _secret(self) -> None:
        self.poked = -1


@contextmanager
def nothing_unpickled() -> Iterator[None]:
    """Nothing that a guest says may be unpickled."""
    kept = pickle.loads, pickle.load, pickle.Unpickler

    def refuse(*args: object, **options: object) -> Any:
        raise AssertionError("something was unpickled")

    pickle.loads = pickle.load = pickle.Unpickler = refuse  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        pickle.loads, pickle.load, pickle.Unpickler = kept  # type: ignore[misc]


async def survives(app: App, folder: Path, attack: Attack) -> None:
    """Let it attack, beside calls of an object that is none of it; the object it belongs to must be as before."""
    await take(app, folder, attack.data, "attack", limits=attack.limits)
    victim = ref("Guest", "one")
    await victim.begin()
    before = await app.inspect(victim)
    served = 0

    async def serve() -> None:
        nonlocal served
        while True:
            assert await ref(Bystander, "other").poke(1) > 0
            served += 1
            await asyncio.sleep(0)

    serving = asyncio.ensure_future(serve())
    try:
        with nothing_unpickled():
            error = await caught(victim)
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    assert serving.cancelled(), "others were not served"
    assert type(error).__name__ == attack.error, error
    assert attack.says in str(error), error
    assert not attack.long or served >= 3
    assert await app.inspect(victim) == before
    assert (await app.inspect(ref(Bystander, "victim")))["poked"] == 0
    await victim.begin()


async def caught(victim: Any) -> BaseException | None:
    """What the caller of an attack gets."""
    try:
        await victim.go()
    except errors.AutomataError as error:
        return error
    return None
