"""Waiting for answers: for a time, or of whoever leads a store, for as long as it is still that one who leads.

A process that stands still gives no answer and no error. Its successor is known by its epoch, in a newer placement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ssms.peers import Unreachable
from ssms.routes import Routes

T = TypeVar("T")

LOOK_SECONDS = 0.5
"""Between looks at whether another process leads a store that gives no answer."""


async def answered_in(seconds: float, ask: Coroutine[Any, Any, T]) -> T:
    """The answer to `ask`. Raises Unreachable when it has not come in time: it is taken for lost."""
    try:
        async with asyncio.timeout(seconds):
            return await ask
    except TimeoutError:
        raise Unreachable(f"no answer in {seconds:.0f} s") from None


async def answered(routes: Routes, store: bytes, epoch: int, ask: Coroutine[Any, Any, T], lost_seconds: float) -> T:
    """The answer to `ask`, which went to whoever leads the store under `epoch`.

    Raises Unreachable once another leads it, or when the answer has not come in `lost_seconds`: it is taken for lost.
    """
    loop = asyncio.get_running_loop()
    answer = loop.create_task(ask)
    since = loop.time()
    try:
        while not (await asyncio.wait({answer}, timeout=LOOK_SECONDS))[0]:
            await routes.refresh()
            if answer.done():
                break
            placement = routes.placement
            if not placement.has(store) or placement.store(store).epoch != epoch:
                raise Unreachable("another process leads the store by now")
            if loop.time() - since > lost_seconds:
                raise Unreachable(f"no answer in {lost_seconds:.0f} s")
        return answer.result()
    finally:
        answer.cancel()
