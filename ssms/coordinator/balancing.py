"""Which store should be led elsewhere, so that machines lead evenly again after a failover (SSMS §3.3). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Led:
    """One store, and the node that leads it. able: node -> copy of the backups that could lead it."""

    store: bytes
    node: str
    able: Mapping[str, str]


def next_shift(stores: Sequence[Led], nodes: Sequence[str]) -> tuple[bytes, str] | None:
    """(store, the copy that shall lead it) of the next hand-over; None if none makes the spread more even.

    nodes: those that are to lead, whether or not they do. Where the fullest node has no copy in common with an empty
    one, others between them pass stores on: the last of them first. Each hand-over brings two nodes whose counts differ
    by two at least closer to each other, in their counts or on the way, so this comes to an end.
    """
    leads = Counter(dict.fromkeys(nodes, 0))
    leads.update(led.node for led in stores if led.node in leads)
    for fullest in sorted(leads, key=lambda node: (-leads[node], node)):
        found = _last_hop(fullest, leads, stores)
        if found is not None:
            return found
    return None


def _last_hop(source: str, leads: Mapping[str, int], stores: Sequence[Led]) -> tuple[bytes, str] | None:
    """The last hand-over of the shortest way from a node to one that leads fewer by two at least."""
    seen, reached = {source}, [source]
    while reached:
        further = []
        for node in reached:
            for led in (one for one in stores if one.node == node):
                for other in sorted(led.able.keys() & leads.keys() - seen):
                    if leads[other] <= leads[source] - 2:
                        return led.store, led.able[other]
                    seen.add(other)
                    further.append(other)
        reached = further
    return None
