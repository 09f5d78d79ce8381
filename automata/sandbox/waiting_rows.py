"""Messages, timers and unfinished methods of types: what a type has in its store besides objects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from automata.envelope import decode_open
from automata.partitions import address_of
from darq import keys
from darq.codec import Parked, Timer, decode_message
from darq.store import Store

_PAGE_ROWS = 1024

_KINDS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (keys.TIMER, lambda row: Timer.decode(row).partition),
    (keys.INBOX, lambda row: decode_message(row)[0]),
    (keys.PARKED, lambda row: Parked.decode(row).partition),
    (keys.INVOCATION, lambda row: decode_open(row).partition),
)
"""Whose each row is, by kind: in the order in which a message goes on, so that none is missed on its way."""


async def waited_for(store: Store, names: Collection[str]) -> set[str]:
    """Those of these types for which something waits in the store. Others on the loop have their turn meanwhile."""
    sought = {name: name.encode() + b"\x00" for name in names}
    found: set[str] = set()
    for kind, owner in _KINDS:
        begin, end = kind, keys.after(kind)
        while rows := store.scan(begin, end, _PAGE_ROWS):
            for _, row in rows:
                if any(prefix in row for prefix in sought.values()):  # few are: only those are decoded
                    found.add(address_of(owner(row))[0])
            if sought.keys() <= found:
                return set(sought)
            begin = rows[-1][0] + b"\x00"
            await asyncio.sleep(0)
    return found & sought.keys()
