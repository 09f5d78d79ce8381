"""A counter that runs natively and, built by `ssms build examples/sandbox/counter.py -o counter.wasm`, in a sandbox."""

from automata import object_type, readonly


@object_type
class Counter:
    """Counts."""

    key: str
    count: int = 0

    async def add(self, by: int) -> int:
        """Count, and say how far."""
        self.count += by
        return self.count

    @readonly
    async def get(self) -> int:
        """How far."""
        return self.count
