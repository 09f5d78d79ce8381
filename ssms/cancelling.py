"""Cancelling a message that is due later, whichever store keeps it by now.

Its id names the store that it was set in. From there it may have gone on with the slot of its receiver, to a store that
knows it by the same id; or it is on its way there, and is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from automata.asking import Ask
from automata.journal import ANYTHING
from automata.outcomes import take_outcome
from automata.timing import kept_by

_ROUNDS = 2
"""A message that goes from a store that is to be asked to one that was is found in the second."""


async def cancel_anywhere(ask: Ask, stores: Collection[bytes], start: Callable[[Ask, bytes], Awaitable[bytes]]) -> bool:
    """Whether the message that `ask` names will never be delivered. start: asks one of the stores."""

    async def asked(store: bytes) -> object:
        return take_outcome(await start(ask, store), ANYTHING)

    keeper = next((store for store in stores if kept_by(store, ask.method)), None)
    if keeper is not None and (known := await asked(keeper)) is not None:
        return bool(known)
    for _ in range(_ROUNDS):
        if any(await asyncio.gather(*map(asked, stores))):
            return True
    return False
