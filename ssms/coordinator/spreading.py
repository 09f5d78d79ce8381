"""How copies and slots are spread over machines. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ssms import slots as slot_numbers
from ssms.catalog.rows import CopyRow, CopyState, NewStore


def first_stores(nodes: Sequence[str], identities: Sequence[bytes], replicas: int) -> list[NewStore]:
    """Stores for a new cluster, led by its nodes in turn, their backups on the nodes behind."""
    count = min(replicas, len(nodes))
    made = []
    for number, identity in enumerate(identities):
        lap, first = divmod(number, len(nodes))
        others = [nodes[(first + 1 + (lap + step) % (len(nodes) - 1)) % len(nodes)] for step in range(count - 1)]
        made.append(NewStore(identity, (nodes[first], *others)))
    return made


def extra_copies(copies: Sequence[CopyRow], nodes: Sequence[str], node: str) -> list[bytes]:
    """The stores that shall have a further copy on a node that has few: one of their others leaves afterwards.

    nodes: those that take copies, `node` among them.
    """
    staying = [copy for copy in copies if copy.state is CopyState.STAYING and copy.node in nodes]
    held = Counter(copy.node for copy in staying)
    on: Mapping[bytes, list[str]] = {
        store: [copy.node for copy in staying if copy.store == store]
        for store in dict.fromkeys(c.store for c in staying)
    }
    taken = {copy.store for copy in copies if copy.node == node}
    found: list[bytes] = []
    while held[node] + 1 <= len(staying) // len(nodes):
        able = [store for store in on if store not in taken and on[store]]
        if not able:
            break
        store = max(able, key=lambda one: max(held[other] for other in on[one]))
        relieved = max(on[store], key=lambda other: held[other])
        held[relieved] -= 1
        held[node] += 1
        taken.add(store)
        found.append(store)
    return found


def next_slots(
    owners: Sequence[bytes], stores: Sequence[bytes], slots_max: int
) -> tuple[bytes, bytes, tuple[int, ...]] | None:
    """(from, to, slots) of the next move to an even spread; None if there is nothing to move."""
    if not owners:
        return None
    for (source, target), numbers in slot_numbers.moves(owners, slot_numbers.assign(stores, owners)).items():
        return source, target, numbers[:slots_max]
    return None
