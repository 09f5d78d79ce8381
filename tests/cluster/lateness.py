"""A type that the hosts of a cluster in this process do not know at first, and one whose objects send to its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from automata import List, object_type, readonly, ref, send
from automata.types import REGISTRY
from ssms.deployed import by_value


@object_type(name="ClusterLate")
class Late:
    notes: List[str]

    async def note(self, text: str) -> int:
        self.notes.append(text)
        return len(self.notes)

    @readonly
    async def all(self) -> list[str]:
        return list(self.notes)


@object_type(name="ClusterEarly")
class Early:
    n: int = 0

    async def tell(self, key: str, text: str) -> None:
        self.n += 1
        send(ref(Late, key).note(text))


@contextmanager
def absent() -> Iterator[bytes]:
    """Let nobody know `Late`; as it would be deployed."""
    deployed = by_value(Late).encode()
    made, newest = REGISTRY._types.pop("ClusterLate"), REGISTRY.newest.pop("ClusterLate")
    try:
        yield deployed
    finally:
        REGISTRY._types["ClusterLate"], REGISTRY.newest["ClusterLate"] = made, newest
