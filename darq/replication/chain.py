"""The chain of a store's groups: each is named by (epoch, number, hash over itself and its predecessor's hash).

Two copies with the same head hold the same rows; a copy whose head is on another's chain is a prefix of it. The head
is a row, written in each group's own batch, so that every disk says how far it is:

    chain = epoch:u64 group:u64 hash:16
    hash  = blake2b-16(hash of the predecessor, epoch:u64, group:u64, the group's operations)
"""

import struct
from hashlib import blake2b
from typing import NamedTuple

from darq import codec, keys, lease
from darq.errors import StoreDamaged
from darq.store import Store

_HASH_BYTES = 16
_row = struct.Struct(">QQ16s")
_numbers = struct.Struct(">QQ")


class Head(NamedTuple):
    """The last group of a chain. Of two copies that were in sync, the one with the higher head has all of the other."""

    epoch: int = 0
    group: int = 0
    hash: bytes = bytes(_HASH_BYTES)

    def follow(self, epoch: int, operations: bytes) -> "Head":
        """The head after one more group."""
        group = self.group + 1
        digest = blake2b(self.hash + _numbers.pack(epoch, group), digest_size=_HASH_BYTES)
        digest.update(operations)
        return Head(epoch, group, digest.digest())

    def encode(self) -> bytes:
        """The chain row."""
        return _row.pack(*self)


def decode(data: bytes) -> Head:
    """The head in a chain row."""
    if len(data) != _row.size:
        raise StoreDamaged("the chain row of the store is damaged: remove this copy, and let it be copied anew")
    return Head(*_row.unpack(data))


def chain_of(store: Store) -> Head:
    """The head of what a copy holds, also of one that is not whole.

    A store that was written without replication since (or never with it) gets a head that nobody else's chain has.
    """
    row, head = store.get(keys.CHAIN), store.get(keys.HEAD)
    chain = Head() if row is None else decode(row)
    if head is None or store.get(keys.COPYING) is not None:
        return chain
    group = codec.Head.decode(head).group
    if group == chain.group:
        return chain
    own = blake2b(store.identity() + head, digest_size=_HASH_BYTES)
    return Head(lease.current_epoch(store), group, own.digest())


def head_of(store: Store) -> Head:
    """How far a copy is, for choosing a primary; a copy that is not whole holds nothing that counts."""
    return Head() if store.get(keys.COPYING) is not None else chain_of(store)


def promised_epoch(store: Store) -> int:
    """The highest epoch that a copy has seen: a new primary needs a higher one."""
    row = store.get(keys.PROMISED)
    return max(lease.current_epoch(store), int.from_bytes(row, "big") if row else 0)
