"""How long callers wait at worst: calls that go on without an end, with the longest of each stretch of time."""

import asyncio
import time
from types import TracebackType

from automata import Map, call, object_type, readonly, ref

CHUNKS, CHUNK_BYTES = 64, 16 << 10
_ANSWER_SECONDS_MAX = 120
_LOOK_SECONDS = 0.005


@object_type(name="benchmarks.Cargo")
class Cargo:
    """A counter that may have something to carry."""

    count: int = 0
    load: Map[int, bytes]

    async def add(self, n: int) -> int:
        """Count, and say how far."""
        self.count += n
        return self.count

    async def fill(self) -> None:
        """Take a load of 1 MB."""
        for n in range(CHUNKS):
            self.load[n] = n.to_bytes(2, "big") * (CHUNK_BYTES // 2)

    @readonly
    async def get(self) -> int:
        """How far."""
        return self.count

    @readonly
    async def carried_bytes(self) -> int:
        """How much it carries."""
        return sum(len(chunk) for chunk in self.load.values())


class Callers:
    """So many callers, each with one durable call after the other; used as `async with`.

    names: of the objects that they call, in turn. acknowledged: how often each object has answered.
    """

    def __init__(self, names: list[str], callers: int) -> None:
        self.acknowledged = dict.fromkeys(names, 0)
        self._names = names
        self._made = dict.fromkeys(range(callers), 0)
        self._asked: dict[int, float] = {}
        self._longest = 0.0
        self._stopping = False
        self._running: asyncio.Future[list[None]] | None = None

    async def __aenter__(self) -> "Callers":
        self._running = asyncio.gather(*(self._caller(n) for n in self._made))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        assert self._running is not None, "it was entered"
        await self._running

    @property
    def total(self) -> int:
        """Calls that were answered."""
        return sum(self.acknowledged.values())

    def begin(self) -> None:
        """A stretch of time begins: what was asked before it counts from now."""
        now = time.perf_counter()
        self._asked = dict.fromkeys(self._asked, now)
        self._longest = 0.0

    def longest_seconds(self) -> float:
        """The longest that any caller has waited in this stretch, for an answer or still for one."""
        now = time.perf_counter()
        return max([self._longest, *(now - asked for asked in self._asked.values())])

    async def all_answered(self, count: int = 2, seconds_max: float = 60.0) -> None:
        """Wait until every caller has got `count` more answers: then a disturbance is over for all of them."""
        before, until = dict(self._made), time.perf_counter() + seconds_max
        while any(self._made[n] < made + count for n, made in before.items()):
            if time.perf_counter() > until:
                raise TimeoutError(f"some caller got no answer in {seconds_max} s")
            await asyncio.sleep(_LOOK_SECONDS)

    async def check(self) -> None:
        """Raise AssertionError if an answered call was lost or done twice."""
        for name, answered in self.acknowledged.items():
            count = await ref(Cargo, name).get()
            assert count == answered, f"{name} has counted {count} of {answered} answered calls"

    async def _caller(self, n: int) -> None:
        callers = len(self._made)
        while not self._stopping:
            name = self._names[(n + self._made[n] * callers) % len(self._names)]
            self._asked[n] = time.perf_counter()
            await call(ref(Cargo, name).add(1), timeout=_ANSWER_SECONDS_MAX)
            self._longest = max(self._longest, time.perf_counter() - self._asked[n])
            self.acknowledged[name] += 1
            self._made[n] += 1
