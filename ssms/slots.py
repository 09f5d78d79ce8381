"""Slots: keys hash to 4,096 of them, and a cluster places slots, not objects (SSMS §3.3). Pure functions.

An assignment is a tuple of 4,096 owners, one for each slot: whatever can be a dictionary's key (an index, an identity).
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from darq.errors import InvalidArgument

SLOTS = 4096
"""How many there are. It is part of the format: where an object lives depends on it."""

Owner = TypeVar("Owner", bound=Hashable)

_number = struct.Struct(">H")


def slot_of(partition: bytes) -> int:
    """The slot of a logical DARQ: CRC-32 of its name, modulo 4,096."""
    return zlib.crc32(partition) % SLOTS


def assign(owners: Sequence[Owner], before: Sequence[Owner | None] = ()) -> tuple[Owner, ...]:
    """All slots over `owners`, evenly (counts differ by one at most), with the fewest moves from `before`.

    before: who has each slot now; empty when nobody has any. An owner of it that is not in `owners` loses all its
    slots. Raises InvalidArgument if there are no owners, one twice, or more than slots.
    """
    if not owners or len(set(owners)) != len(owners) or len(owners) > SLOTS:
        raise InvalidArgument(f"slots are placed on 1 to {SLOTS} different stores, not on {len(owners)}")
    held: dict[Owner, list[int]] = {owner: [] for owner in owners}
    free = []
    for slot, owner in enumerate(before or [None] * SLOTS):
        if owner is not None and owner in held:
            held[owner].append(slot)
        else:
            free.append(slot)
    share = _shares(owners, held)
    for owner, slots in held.items():
        free += slots[share[owner] :]
        del slots[share[owner] :]
    free.sort()
    return _deal(share, held, free)


def _shares(owners: Sequence[Owner], held: dict[Owner, list[int]]) -> dict[Owner, int]:
    """How many slots each owner shall have. Those who have most keep what does not divide evenly: nothing moves."""
    share, left = divmod(SLOTS, len(owners))
    fullest = sorted(range(len(owners)), key=lambda index: (-len(held[owners[index]]), index))
    extra = set(fullest[:left])
    return {owner: share + (index in extra) for index, owner in enumerate(owners)}


def _deal(share: dict[Owner, int], held: dict[Owner, list[int]], free: list[int]) -> tuple[Owner, ...]:
    """The assignment when those who have too few get the free slots, one each in turn."""
    owner_of = {slot: owner for owner, slots in held.items() for slot in slots}
    lacking = {owner: count - len(held[owner]) for owner, count in share.items()}
    waiting = iter(free)
    while any(lacking.values()):
        for owner, count in lacking.items():
            if count:
                owner_of[next(waiting)] = owner
                lacking[owner] = count - 1
    return tuple(owner_of[slot] for slot in range(SLOTS))


def moves(before: Sequence[Owner], after: Sequence[Owner]) -> dict[tuple[Owner, Owner], tuple[int, ...]]:
    """The slots that change hands, by (from, to), in order of slots."""
    found: dict[tuple[Owner, Owner], list[int]] = {}
    for slot, (source, target) in enumerate(zip(before, after, strict=True)):
        if source != target:
            found.setdefault((source, target), []).append(slot)
    return {way: tuple(slots) for way, slots in found.items()}


def counts(assignment: Iterable[Owner]) -> Counter[Owner]:
    """How many slots each owner has."""
    return Counter(assignment)


def encode(slots: Iterable[int]) -> bytes:
    """Numbers of slots, or of stores by slot, as bytes: two for each, big-endian."""
    pack: Callable[[int], bytes] = _number.pack
    return b"".join(map(pack, slots))


def decode(data: bytes) -> tuple[int, ...]:
    """What `encode` was given."""
    return tuple(number for (number,) in _number.iter_unpack(data))
