"""Opening a store: check its format, that nothing acknowledged is missing, and take the lease."""

from darq import keys
from darq.codec import Head
from darq.errors import StoreDamaged
from darq.store import Store

GENERATIONS_KEPT = 64


def recover(store: Store) -> Head:
    """The head of a store that holds all that was ever released from it.

    Raises StoreDamaged when a released group is missing (a log file cut, altered or gone), when a whole generation
    of groups is (an older log file gone, though a newer one is there), and for a copy that was not copied to its end.
    """
    if store.get(keys.COPYING) is not None:
        raise StoreDamaged("this copy of the store is not whole: it was being copied from another, which has to go on")
    data = store.get(keys.HEAD)
    released = store.released()
    head = Head.decode(data) if data is not None else Head()
    if head.group < released:
        raise StoreDamaged(
            f"group {released} was acknowledged, but the store only goes up to group {head.group}: its log (*.log in "
            "the rocks folder) is cut, altered or missing. Restore the store from a backup"
        )
    _check_generations(store, head.generation)
    return head


def was_killed(store: Store, head: Head) -> bool:
    """Whether the last life ended without `Log.close`: any group after the one that marks the close says so."""
    closed = store.get(keys.CLOSED)
    return head.group > 0 and closed != keys.number(head.group)


def _check_generations(store: Store, generation: int) -> None:
    first = max(1, generation - GENERATIONS_KEPT + 1)
    begin, end = keys.numbered(keys.GENERATION, first), keys.numbered(keys.GENERATION, generation + 1)
    found = {keys.number_of(key) for key, _ in store.scan(begin, end, GENERATIONS_KEPT)}
    missing = [n for n in range(first, generation + 1) if n not in found]
    if missing:
        raise StoreDamaged(
            f"the groups of log generation {missing[0]} are missing: an older log file or a table (*.log, *.sst in "
            "the rocks folder) is gone. Restore the store from a backup"
        )
