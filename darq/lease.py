"""Leases: who may run steps holds a numbered lease, stored durably before its first step; older numbers are refused.

The store itself is one lease; a partition can have its own, so that several processors work on one store as long as
their partitions are disjoint (SSMS §4.2). A number only grows.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from darq import keys
from darq.errors import Fenced
from darq.store import Store

STORE = b""  # the lease on everything

# Whoever takes a lease does so through the one object that holds the store (files have a lock, memory is one process's
# own), so that what it has given out need not be read again for each group.
_newest: WeakKeyDictionary[Store, dict[bytes, int]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Lease:
    """The right to run steps under `name` until someone takes a higher epoch."""

    name: bytes
    epoch: int


def acquire(store: Store, name: bytes = STORE) -> Lease:
    """Take the lease under `name` with the next epoch; every earlier holder is fenced from here on."""
    return take(store, current_epoch(store, name) + 1, name)


def take(store: Store, epoch: int, name: bytes = STORE) -> Lease:
    """Take the lease under `name` with an epoch that a catalog has given out; earlier holders are fenced.

    Raises Fenced unless it is above every epoch that the store has seen.
    """
    newest = current_epoch(store, name)
    if epoch <= newest:
        raise Fenced(f"epoch {epoch} was given out too late: the store has seen epoch {newest}")
    batch = store.batch()
    batch.put(keys.LEASE + name, epoch.to_bytes(8, "big"))
    store.write(batch)
    store.flush()
    _newest.setdefault(store, {})[name] = epoch
    return Lease(name, epoch)


def current_epoch(store: Store, name: bytes = STORE) -> int:
    """The highest epoch given out under `name`; 0 if none was."""
    known = _newest.get(store, {}).get(name)
    if known is not None:
        return known
    data = store.get(keys.LEASE + name)
    return int.from_bytes(data, "big") if data else 0


def check(store: Store, lease: Lease) -> None:
    """Raise Fenced unless `lease` is the newest of its name."""
    newest = current_epoch(store, lease.name)
    if newest != lease.epoch:
        raise Fenced(f"epoch {lease.epoch} was superseded by epoch {newest}: another holder runs the steps now")
