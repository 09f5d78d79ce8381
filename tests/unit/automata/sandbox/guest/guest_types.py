"""Source of types, run as a guest and natively by the same tests. It does what users do, and what they should not."""

# ruff: noqa: T201, DTZ011, DTZ007, PTH123, PTH208, SIM115

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import random as standard_random
import secrets
import sys
import time
import types
import uuid
from collections.abc import Generator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from automata import (
    List,
    Map,
    Ref,
    Set,
    call,
    cancel,
    delete,
    effect,
    errors,
    gather,
    logger,
    now,
    object_type,
    random,
    readonly,
    ref,
    send,
    sleep,
    transaction,
    uuid4,
)

COUNTED: list[int] = []


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Broke(Exception):
    pass


@dataclass
class Point:
    x: int
    y: float = 0.0
    tags: list[str] = field(default_factory=list)


class Pair(NamedTuple):
    a: int
    b: str = "x"


class Opts(TypedDict):
    deep: bool
    note: NotRequired[str]


@object_type(name="Wide", time_to_live=60.0)
class Wide:
    """Of all kinds of fields."""

    key: str
    total: int = 0
    share: float = 0.0
    when: datetime.datetime | None = None
    price: Decimal = Decimal("1.50")
    point: Point = Point(1)
    pair: Pair = Pair(1)
    opts: Opts = {"deep": True}
    color: Color = Color.RED
    mode: Literal["a", "b", 3] = "a"
    things: list[dict[str, int]] = []
    friend: Ref[Wide] | None = None
    anything: Any = None
    ids: Set[uuid.UUID]
    by: Map[tuple[str, int], Point]
    words: Map[str, int]
    log: List[str]

    async def fill(self, text: str) -> int:
        for word in text.split():
            self.words[word] = self.words.get(word, 0) + 1
            self.log.append(word)
            self.by[word, len(word)] = Point(len(word), tags=[word])
            self.ids.add(uuid.UUID(int=len(word)))
        self.total += 1
        self.share = self.total / 4
        self.when = datetime.datetime(2020, 1, self.total, tzinfo=datetime.UTC)
        self.price += 1
        self.point.tags.append(text)
        self.opts["note"] = text
        self.color = Color.BLUE
        self.mode = 3
        self.things.append({text: self.total})
        self.friend = ref(self)
        self.anything = {"a": (1, {2}), "at": self.when}
        return self.total

    async def prune(self) -> int:
        self.log.popleft()
        del self.words["a"]
        self.by.clear()
        self.ids.discard(uuid.UUID(int=1))
        self.by["new", 1] = Point(9)
        for point in self.by.values():
            point.x += 1
        return len(self.log)

    @readonly
    async def report(self) -> tuple[int, dict[str, int], list[str], list[tuple[str, int]]]:
        return self.total, dict(self.words), self.log[::-1], [key for key, _ in self.by.range(reverse=True)]

    @readonly
    async def sneaky(self) -> None:
        self.things.append({"q": 1})

    @readonly
    async def assigns(self) -> None:
        self.total = 1

    @readonly
    async def sends(self) -> None:
        send(ref("Wide", "other").fill("x"))

    @readonly(cache=True)
    async def cached(self) -> float:
        return now()

    @readonly
    async def size(self) -> int:
        return len(self.things)

    async def told(self) -> None:
        self.total = 1
        send(ref("Wide", "other")._private("x", 2))
        send(ref("Elsewhere", "z").thing(1, b=(2,)))

    async def _private(self, text: str, number: int = 3) -> None:
        self.total += number

    async def gone(self) -> None:
        self.log.append("old")
        delete()
        self.log.append("new")

    async def raises(self) -> None:
        self.total = 99
        raise Broke("it broke")

    async def misfit(self) -> None:
        self.total = "text"  # type: ignore[assignment]

    async def undeclared(self) -> None:
        self.nothing = 1

    async def wrong_result(self) -> int:
        return "text"  # type: ignore[return-value]

    async def leaves(self) -> None:
        raise SystemExit(3)

    async def recurses(self) -> int:
        def down(n: int) -> int:
            return down(n + 1) + 1

        return down(0)

    async def ask(self, other: str) -> int:
        self.total += 1
        self.log.append("before")
        send(ref(Wide, "other").told())
        seen = self.total
        n = await ref(Wide, other).size()
        self.log.append(f"after {seen} {self.total}")
        self.total += n
        return self.total

    async def stale(self) -> None:
        things = self.things
        await ref(Wide, "x").size()
        things.append({"late": 1})

    async def several(self) -> str:
        try:
            got = await gather(ref(Wide, "x").size(), ref("Elsewhere", "y").thing(1, b=[2]))
        except (Broke, ValueError, errors.RemoteError) as error:
            return f"{type(error).__name__} {error}".splitlines()[0]
        return repr(got)

    async def pauses(self) -> list[float]:
        first = now()
        print("once")
        await sleep(1.5)
        return [first, now()]

    async def keyed(self) -> int:
        return await call(ref(Wide, "x").fill("x"), idempotency_key="k", timeout=2.0)

    async def later(self) -> list[str]:
        first = send(ref(Wide, "x").fill("x"), delay=5)
        send(ref(Wide, "x").fill("x"), every="0 9 * * MON")
        return [first.id, str(await cancel(first)), str(await cancel("0000abcd-7"))]

    @readonly
    async def reads_others(self) -> int:
        return len(self.things) + await ref(Wide, "x").size()

    @readonly
    async def reads_elsewhere(self) -> Any:
        return await ref("Elsewhere", "x").look()

    async def keyed_elsewhere(self) -> Any:
        return await call(ref("Elsewhere", "x").thing(), idempotency_key="k")

    @readonly
    async def writes_others(self) -> int:
        return await ref(Wide, "x").fill("x")

    async def foreign(self) -> None:
        await asyncio.sleep(1)

    async def yields(self) -> None:
        @types.coroutine
        def bare() -> Generator[None, None, None]:
            yield

        await bare()

    async def outside(self) -> None:
        await effect(print, 1)

    async def transacts(self) -> None:
        await transaction(self.outside)

    async def chance(self) -> list[str]:
        standard_random.seed(5)
        seeded = standard_random.random()
        drawn = [
            uuid4(),
            uuid.uuid4(),
            random(),
            os.urandom(2),
            secrets.token_hex(3),
            standard_random.Random().random(),
        ]
        clocks = [now(), time.time(), datetime.datetime.now(datetime.UTC), datetime.date.today().year]
        return [str(value) for value in (seeded, *drawn, *clocks, time.localtime().tm_year)]

    async def talks(self) -> None:
        print("printed", 1)
        logger.info("logged %d", 2)
        logging.getLogger("own").warning("warned")

    async def tries(self, what: str) -> str:
        attempts: dict[str, Any] = {
            "open": lambda: open("/etc/passwd"),
            "listdir": lambda: os.listdir("/"),
            "environ": lambda: os.environ["HOME"],
            "getcwd": os.getcwd,
            "socket": lambda: __import__("socket"),
            "threading": lambda: __import__("threading"),
            "subprocess": lambda: __import__("subprocess"),
            "numpy": lambda: __import__("numpy"),
            "sleep": lambda: time.sleep(1),
        }
        return str(attempts[what]())

    async def hogs(self) -> None:
        kept = []
        while True:
            kept.append(bytearray(1_000_000))

    async def counts_globally(self) -> int:
        COUNTED.append(1)
        return len(COUNTED)

    async def loaded(self) -> list[str]:
        return sorted(sys.modules)

    async def late_import(self) -> str:
        import statistics

        return str(statistics.mean([1, 2, 3])) + str(datetime.datetime.strptime("2020", "%Y").year)
