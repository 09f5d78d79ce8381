"""Where objects live: one version of what a cluster's catalog says, as its processes know it (SSMS §3.3).

It maps 4,096 slots to stores and says which copy leads each. Objects that were moved by themselves are not in it: the
store that has their slot keeps a stub, and passes on what comes for them.
"""

from __future__ import annotations

from functools import cached_property

import msgspec

from darq.errors import AutomataError
from ssms import slots as slot_table


class UnknownStore(AutomataError):
    """A store is named that is not in this placement. Nobody's fault if the placement is old: ask for the newest."""


class StorePlace(msgspec.Struct, frozen=True, array_like=True):
    """One store. identity: 16 bytes, the same for all copies. epoch: of its primary, rising with each.

    primary: the name of the copy that leads, "" while none does; node: where that is, "" while none does. backups:
    names of the other in-sync copies: each holds all that was ever acknowledged. name: short, for people.
    """

    identity: bytes
    epoch: int
    primary: str
    node: str
    backups: tuple[str, ...] = ()
    name: str = ""

    @property
    def in_sync(self) -> tuple[str, ...]:
        """All copies that hold what was acknowledged, the primary first."""
        return (self.primary, *self.backups) if self.primary else self.backups


class NodePlace(msgspec.Struct, frozen=True, array_like=True):
    """One machine. id: as Ray names it, in hexadecimal; is_head: it runs the coordinator."""

    id: str
    alive: bool
    is_head: bool


class Placement(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """What one version says. Routers keep the highest that they have met.

    slots: for each of the 4,096 slots, two bytes: the index of its store in `stores`, big-endian. Stores keep their
    index for ever; one that was removed stays, without slots.
    """

    version: int
    slots: bytes
    stores: tuple[StorePlace, ...]
    nodes: tuple[NodePlace, ...] = ()

    def owner(self, partition: bytes) -> StorePlace:
        """The store that has the slot of a logical DARQ."""
        return self._owners[slot_table.slot_of(partition)]

    def store(self, identity: bytes) -> StorePlace:
        """One store. Raises UnknownStore."""
        found = self._by_identity.get(identity)
        if found is None:
            raise UnknownStore(f"store {identity.hex()} is not in placement {self.version}")
        return found

    def has(self, identity: bytes) -> bool:
        """Whether there is such a store."""
        return identity in self._by_identity

    def slots_of(self, identity: bytes) -> tuple[int, ...]:
        """The slots that a store has."""
        index = next((i for i, store in enumerate(self.stores) if store.identity == identity), None)
        return tuple(slot for slot, store in enumerate(self.slot_stores) if store == index)

    @cached_property
    def slot_stores(self) -> tuple[int, ...]:
        """The index of the store of each slot."""
        return slot_table.decode(self.slots)

    @cached_property
    def _owners(self) -> tuple[StorePlace, ...]:
        return tuple(self.stores[index] for index in self.slot_stores)

    @cached_property
    def _by_identity(self) -> dict[bytes, StorePlace]:
        return {store.identity: store for store in self.stores}

    def encode(self) -> bytes:
        """As bytes, for other processes."""
        return _encoder.encode(self)

    @staticmethod
    def decode(data: bytes) -> Placement:
        """What `encode` has made. Raises msgspec.DecodeError for anything else."""
        return _decoder.decode(data)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Placement)

NOWHERE = Placement(0, bytes(2 * slot_table.SLOTS), ())
"""What is known before the coordinator was asked: version 0, no stores."""
