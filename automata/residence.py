"""Who lives in a store: the objects of its slots, but for those that have moved away, and guests (SSMS §3.3).

    MOVED  partition -> number of the move, whether it is called back, where it is    kept by the store of its slot
    GUEST  partition -> number of the move that has brought it                       kept where it is

An object that is moved by itself leaves a stub (MOVED) in the store of its slot, so that no catalog has to know it.
Moves begin and end at the store of the slot, which is also the way of all messages to the object: that keeps order.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum

from darq import keys
from darq.log import Log
from darq.step import Step

_stub = struct.Struct(">QB16s")
_slot = struct.Struct(">B16s")


class Phase(IntEnum):
    """How far a slot has come on its way between two stores, as one of them knows it."""

    COMING = 1  # what has not come yet is with the other store
    HERE = 2  # all has come: it is this store's, whatever older placements say
    LEAVING = 3  # what is here lives here until it is given; nothing is born here any more
    GONE = 4  # all was given


@dataclass(frozen=True, slots=True)
class Stub:
    """Where an object is that has moved away. number: of the move; returning: it was called back."""

    number: int
    store: bytes
    returning: bool = False

    def encode(self) -> bytes:
        """The row."""
        return _stub.pack(self.number, self.returning, self.store)


@dataclass(frozen=True, slots=True)
class SlotMove:
    """A slot that moves, or has moved. store: the other one."""

    phase: Phase
    store: bytes

    def encode(self) -> bytes:
        """The row."""
        return _slot.pack(self.phase, self.store)


class Residence:
    """Which objects live in one store: an `automata.placement.Placement`.

    owner_of: the identity of the store of an object's slot, by the newest placement known here; slot_of: its slot.
    stay: of an object in a slot that leaves, says where it is, as `store_of`.
    """

    def __init__(self, log: Log, owner_of: Callable[[bytes], bytes], slot_of: Callable[[bytes], int]) -> None:
        self.own = log.store.identity()
        self.slot_of = slot_of
        self.stay: Callable[[bytes, bytes], bytes | None] = _all_stay
        self._owner_of = owner_of
        self.stubs = {key[1:]: _decode_stub(data) for key, data in log.rows(keys.MOVED)}
        self.guests = {key[1:]: keys.number_of(data) for key, data in log.rows(keys.GUEST)}
        self.slots = {int.from_bytes(key[1:], "big"): decode_slot(data) for key, data in log.rows(keys.SLOT)}

    def store_of(self, partition: bytes) -> bytes | None:
        """The identity of the other store that an object lives in; None if it lives here."""
        if partition in self.guests:
            return None
        stub = self.stubs.get(partition)
        if stub is not None:
            return stub.store
        if self.slots:
            move = self.slots.get(self.slot_of(partition))
            if move is not None:
                if move.phase is Phase.HERE:
                    return None
                return self.stay(partition, move.store) if move.phase is Phase.LEAVING else move.store
        owner = self._owner_of(partition)
        return None if owner == self.own else owner

    def route_of(self, partition: bytes) -> bytes | None:
        """The store that messages to an object go to: that of its slot, which passes them on; None for this one."""
        if self.slots:
            move = self.slots.get(self.slot_of(partition))
            if move is not None and move.phase is Phase.COMING:
                return move.store
            if move is not None:
                if move.phase is not Phase.GONE:
                    return None
                owner = self._owner_of(partition)
                return move.store if owner == self.own else owner  # it may have gone further since
        owner = self._owner_of(partition)
        return None if owner == self.own else owner

    def has_given(self) -> bool:
        """Whether timers that were set here may be in other stores, or on their way back."""
        return any(move.phase is not Phase.HERE for move in self.slots.values())

    def expects(self) -> bool:
        """Whether timers may be on their way here."""
        return any(move.phase is Phase.COMING for move in self.slots.values())

    def onward(self, partition: bytes) -> bytes | None:
        """The other store that has the slot of an object, or is on the way to it; None if it is this one."""
        move = self.slots.get(self.slot_of(partition))
        if move is not None:
            return move.store if move.phase in (Phase.COMING, Phase.GONE) else None
        owner = self._owner_of(partition)
        return None if owner == self.own else owner

    # changes: let a step write them, commit it, then note them

    def write_stub(self, step: Step, partition: bytes, stub: Stub | None) -> None:
        """Let `step` say where an object has gone, or that it has come home."""
        step.set_row(keys.MOVED + partition, None if stub is None else stub.encode())

    def write_guest(self, step: Step, partition: bytes, number: int | None) -> None:
        """Let `step` say that an object of another store's slot lives here, or does so no more."""
        step.set_row(keys.GUEST + partition, None if number is None else keys.number(number))

    def write_slot(self, step: Step, slot: int, move: SlotMove) -> None:
        """Let `step` say how far a slot has come."""
        step.set_row(keys.SLOT + slot.to_bytes(2, "big"), move.encode())

    def note_slot(self, slot: int, move: SlotMove) -> None:
        """A step that has written it is in the log."""
        self.slots[slot] = move

    def in_slots(self, slots: Collection[int], partitions: Iterable[bytes]) -> list[bytes]:
        """Those of the objects that are in one of the slots."""
        return [partition for partition in partitions if self.slot_of(partition) in slots]

    def note_stub(self, partition: bytes, stub: Stub | None) -> None:
        """A step that has written it is in the log."""
        if stub is None:
            self.stubs.pop(partition, None)
        else:
            self.stubs[partition] = stub

    def note_guest(self, partition: bytes, number: int | None) -> None:
        """A step that has written it is in the log."""
        if number is None:
            self.guests.pop(partition, None)
        else:
            self.guests[partition] = number


def _decode_stub(data: bytes) -> Stub:
    number, returning, store = _stub.unpack(data)
    return Stub(number, store, bool(returning))


def decode_slot(data: bytes) -> SlotMove:
    """What `SlotMove.encode` has made."""
    phase, store = _slot.unpack(data)
    return SlotMove(Phase(phase), store)


def _all_stay(partition: bytes, store: bytes) -> None:
    """No slot leaves yet."""
