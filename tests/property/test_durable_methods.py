"""Random methods that await each other, and crashes: every part happens once, whatever it had seen before.

Programs are made so that what they leave does not depend on how they interleave, but for what a method itself decides
from what it has seen: there, that it decided once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automata import (
    List,
    Map,
    Retry,
    call,
    delivery,
    effect,
    gather,
    now,
    object_type,
    random,
    readonly,
    ref,
    send,
    sleep,
    suspects,
    uuid4,
)
from automata.app import App
from automata.errors import AutomataError
from automata.open_invocations import JournalCaller, OpenInvocations
from automata.stage import Stage
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crashing, listed, memory_app, seeded_store, settled

KEYS = ["a", "b", "c"]
EFFECTS: list[tuple[str, str]] = []


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_SURVIVED_SECONDS", 0.002)
    monkeypatch.setattr(suspects, "_SURVIVED_SECONDS", 0.002)


class Boom(Exception):
    pass


def note(tag: str, token: str) -> None:
    EFFECTS.append((tag, token))


async def note_slowly(tag: str, token: str) -> None:
    EFFECTS.append((tag, token))
    await asyncio.sleep(0)


@object_type
class Clapper:
    key: str
    log: List[str]

    async def tick(self, tag: str) -> int:
        self.log.append(tag)
        return len(self.log)

    async def nap(self, tag: str) -> None:
        await asyncio.sleep(0.0005)
        self.log.append(tag)

    @readonly
    async def told(self) -> list[str]:
        return list(self.log)


@object_type(retry=Retry(first_seconds=0.0005))
class Actor:
    key: str
    n: int = 0
    log: List[str]
    notes: List[str]
    table: Map[str, int]
    drawn: Map[str, list[float]]
    seen: Map[str, list[float]]
    tokens: Map[str, str]

    async def run(self, name: str, program):  # type: ignore[no-untyped-def]
        results: list[Any] = []
        drawn: list[tuple[str, list[float]]] = []
        for at, (kind, *rest) in enumerate(program):
            tag = f"{name}.{at}"
            if kind == "write":
                self.n += 1
                self.log.append(tag)
            elif kind == "put":
                self.table[rest[0]] = self.table.get(rest[0], 0) + 1
            elif kind == "send":
                send(ref(Actor, rest[0]).note(tag))
            elif kind == "post":
                send(ref(Actor, rest[0]).run(tag, rest[1]))
            elif kind == "draw":
                self.drawn[tag] = values = [now(), random()]
                drawn.append((tag, list(values)))
            elif kind == "raise":
                raise Boom(name)
            else:
                results.append(await WAITS[kind](self, tag, *rest))
        for tag, values in drawn:
            self.seen[tag] = values
        return [name, results]

    async def note(self, tag: str) -> None:
        self.notes.append(tag)

    @readonly
    async def left(self) -> dict[str, Any]:
        drawn, seen = dict(self.drawn), dict(self.seen)
        lists = {"log": list(self.log), "notes": list(self.notes), "n": self.n}
        return lists | {"table": dict(self.table), "drawn": drawn, "seen": seen, "tokens": dict(self.tokens)}


async def _call(actor: Any, tag: str, key: str, program: Any) -> Any:
    try:
        return await ref(Actor, key).run(tag, program)
    except Boom as error:
        return ["Boom", error.args[0]]


async def _keyed(actor: Any, tag: str, key: str, program: Any) -> Any:
    try:
        return await call(ref(Actor, key).run(tag, program), idempotency_key=tag)
    except Boom as error:
        return ["Boom", error.args[0]]


async def _gather(actor: Any, tag: str, *calls: Any) -> Any:
    try:
        return await gather(*(ref(Actor, key).run(f"{tag}.{i}", program) for i, (key, program) in enumerate(calls)))
    except Boom as error:
        return ["Boom", error.args[0]]


async def _effect(actor: Any, tag: str, how: Any) -> Any:
    token = str(uuid4())
    actor.tokens[tag] = token
    await effect(how, tag, token)
    return "effect"


async def _iterate(actor: Any, tag: str) -> Any:
    await ref(Clapper, "c").tick(tag)
    for key in actor.table:
        actor.log.append(f"{tag}@{key}")
        await ref(Clapper, "c").tick(f"{tag}@{key}")
    return "iterated"


async def _hurry(actor: Any, tag: str) -> Any:
    outcome = "in time"
    try:
        async with asyncio.timeout(0.0005):
            await ref(Clapper, "slow").nap(tag)
    except TimeoutError:
        outcome = "late"
    actor.log.append(f"{tag}!{outcome}")
    await ref(Clapper, "c").tick(f"{tag}!{outcome}")
    return "hurried"


async def _sleep(actor: Any, tag: str) -> Any:
    await sleep(0)
    return "slept"


WAITS: dict[str, Any] = {
    "call": _call,
    "keyed": _keyed,
    "gather": _gather,
    "effect": lambda actor, tag: _effect(actor, tag, note_slowly),
    "thread": lambda actor, tag: _effect(actor, tag, note),
    "iterate": _iterate,
    "hurry": _hurry,
    "sleep": _sleep,
}


# what they must leave


@dataclass
class Model:
    """What exactly once demands."""

    log: dict[str, Counter[str]] = field(default_factory=lambda: {key: Counter() for key in KEYS})
    notes: dict[str, Counter[str]] = field(default_factory=lambda: {key: Counter() for key in KEYS})
    table: dict[str, Counter[str]] = field(default_factory=lambda: {key: Counter() for key in KEYS})
    drawn: set[str] = field(default_factory=set)
    effects: dict[str, str] = field(default_factory=dict)
    iterated: set[str] = field(default_factory=set)
    hurried: set[str] = field(default_factory=set)

    def run(self, key: str, name: str, program: Any) -> Any:
        part, drawn, results = Part(), [], []
        for at, (kind, *rest) in enumerate(program):
            tag = f"{name}.{at}"
            if kind == "write":
                part.log.append((key, tag))
            elif kind == "put":
                part.table.append((key, rest[0]))
            elif kind == "send":
                part.notes.append((rest[0], tag))
            elif kind == "post":
                part.posts.append((rest[0], tag, rest[1]))
            elif kind == "draw":
                drawn.append(tag)
            elif kind == "raise":
                return ["Boom", name]
            else:
                self.commit(part)
                part = Part()
                results.append(self.wait(key, tag, kind, rest))
        self.commit(part)
        self.drawn |= set(drawn)
        return [name, results]

    def wait(self, key: str, tag: str, kind: str, rest: Any) -> Any:
        if kind in ("call", "keyed"):
            return self.run(rest[0], tag, rest[1])
        if kind == "gather":
            gathered = [self.run(to, f"{tag}.{i}", program) for i, (to, program) in enumerate(rest)]
            return next((one for one in gathered if one[0] == "Boom"), gathered)
        if kind in ("effect", "thread"):
            self.effects[tag] = key
        elif kind == "iterate":
            self.iterated.add(tag)
        elif kind == "hurry":
            self.hurried.add(tag)
        return {"effect": "effect", "thread": "effect", "iterate": "iterated", "hurry": "hurried"}.get(kind, "slept")

    def commit(self, part: Part) -> None:
        for kind in ("log", "notes", "table"):
            for key, tag in getattr(part, kind):
                getattr(self, kind)[key][tag] += 1
        for key, tag, program in part.posts:
            self.run(key, tag, program)


@dataclass
class Part:
    """What a part does, if it commits."""

    log: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    table: list[tuple[str, str]] = field(default_factory=list)
    posts: list[tuple[str, str, Any]] = field(default_factory=list)


# random programs

simple = st.one_of(
    st.tuples(st.just("write")),
    st.tuples(st.just("draw")),
    st.tuples(st.just("put"), st.sampled_from("xyz")),
    st.tuples(st.just("send"), st.sampled_from(KEYS)),
    st.tuples(st.sampled_from(["effect", "thread", "iterate", "hurry", "sleep"])),
)


def programs(depth: int, fails: bool = True) -> Any:
    """Programs whose calls nest to this depth. fails: whether they may raise."""
    if depth == 0:
        ops = simple
    else:
        inner = st.tuples(st.sampled_from(KEYS), programs(depth - 1))
        ops = st.one_of(
            simple,
            inner.map(lambda one: ("call", *one)),
            inner.map(lambda one: ("keyed", *one)),
            st.lists(inner, min_size=1, max_size=3).map(lambda calls: ("gather", *calls)),
            st.tuples(st.just("post"), st.sampled_from(KEYS), programs(depth - 1, fails=False)),
        )
    made = st.lists(ops, max_size=4)
    if not fails:
        return made
    return st.tuples(made, st.sampled_from([[], [], [("raise",)]])).map(lambda both: both[0] + both[1])


roots = st.lists(st.tuples(st.sampled_from(KEYS), programs(3)), min_size=1, max_size=4)


async def scenario(wanted: Any, crashes: list[int], limits: Limits, store: MemoryStore) -> None:
    EFFECTS.clear()
    model = Model()
    expected = {f"r{i}": model.run(key, f"r{i}", program) for i, (key, program) in enumerate(wanted)}
    for turns in crashes:
        async with crashing(store, limits):
            calls = _start(wanted)
            for _ in range(turns):
                await asyncio.sleep(0)
        for made in calls.values():
            made.cancel()
        await asyncio.gather(*calls.values(), return_exceptions=True)
        for name, made in calls.items():
            if not made.cancelled() and not isinstance(made.exception(), AutomataError):
                assert _given(made) == expected[name]
    async with memory_app(store, limits) as app:
        calls = _start(wanted)
        await asyncio.gather(*calls.values(), return_exceptions=True)
        assert {name: _given(made) for name, made in calls.items()} == expected
        await _settle(app, model)
        await _check(model)
    async with memory_app(store, limits):
        await _check(model)


def _start(wanted: Any) -> dict[str, asyncio.Future[Any]]:
    return {
        f"r{i}": asyncio.ensure_future(call(ref(Actor, key).run(f"r{i}", program), idempotency_key=f"r{i}"))
        for i, (key, program) in enumerate(wanted)
    }


def _given(made: asyncio.Future[Any]) -> Any:
    error = made.exception()
    if error is None:
        return made.result()
    if isinstance(error, Boom):
        return ["Boom", error.args[0]]
    raise error


async def _settle(app: App, model: Model) -> None:
    """Wait until no method runs and every message has arrived."""
    engine = app._engine
    assert engine is not None

    async def left() -> int:
        pending = engine.log.inbox.pending_in_memory() + len(engine.delivery._running)
        return len(engine.host.open_invocations.all()) + pending + len(await listed(app.dead_letters()))

    await settled(left, 0)
    assert await listed(app.interrupted()) == []


async def _check(model: Model) -> None:
    left = {key: await ref(Actor, key).left() for key in KEYS}
    ticks = Counter(await ref(Clapper, "c").told())
    every: Counter[str] = Counter()
    for key, found in left.items():
        log = Counter(found["log"])
        every += log
        assert {tag: n for tag, n in log.items() if "@" not in tag and "!" not in tag} == model.log[key]
        assert Counter(found["notes"]) == model.notes[key]
        assert found["table"] == model.table[key]
        assert found["n"] == sum(model.log[key].values())
        assert all(found["drawn"][tag] == values for tag, values in found["seen"].items())
    decided = Counter({tag: n for tag, n in every.items() if "@" in tag or "!" in tag})
    assert ticks == decided + Counter(model.iterated)
    assert set(ticks.values()) <= {1}
    assert Counter(tag.partition("!")[0] for tag in ticks if "!" in tag) == Counter(model.hurried)
    assert model.drawn == {tag for found in left.values() for tag in found["seen"]}
    tokens = {tag: token for found in left.values() for tag, token in found["tokens"].items()}
    assert set(EFFECTS) == set(tokens.items())
    assert tokens.keys() == model.effects.keys()


@given(
    wanted=roots,
    crashes=st.lists(st.integers(0, 40), max_size=3),
    steps=st.sampled_from([1, 2, 5, 1024]),
    seed=st.integers(0, 2**32),
    slow=st.booleans(),
)
def test_every_part_happens_once_through_crashes(
    wanted: Any, crashes: list[int], steps: int, seed: int, slow: bool
) -> None:
    limits = Limits(group_steps_max=steps, inline_flush_seconds_max=-1.0 if slow else 1.0)
    asyncio.run(scenario(wanted, crashes, limits, seeded_store(seed)))


# engines that are broken on purpose are found


def _forget_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer reaches the journal on disk."""
    save = OpenInvocations._save

    def broken(self: OpenInvocations, journal: Any, rows: Any) -> None:
        journal.unsaved.clear()
        save(self, journal, rows)

    monkeypatch.setattr(OpenInvocations, "_save", broken)


def _answer_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is not in the group of the step that gave it, but wherever its receiver gets to it."""
    monkeypatch.setattr(JournalCaller, "answer", lambda self, outcome, kind: None)


def _keep_journals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that has ended is resumed by the next life."""
    monkeypatch.setattr(Stage, "_end_journal", lambda self, entity, journal: 0)


FAULTS = {"answers forgotten": _forget_answers, "answers late": _answer_late, "journals kept": _keep_journals}
NESTED: Any = [("a", [("write",), ("call", "b", [("write",), ("sleep",), ("write",)]), ("write",), ("sleep",)])]


def _any_life_fails() -> bool:
    for turns in range(40):
        limits = Limits(group_steps_max=1, inline_flush_seconds_max=1.0)
        try:
            asyncio.run(asyncio.wait_for(scenario(NESTED, [turns], limits, MemoryStore()), 2))
        except (AssertionError, AutomataError, TimeoutError):
            return True
    return False


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_broken_engine_is_found_out(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _any_life_fails()
    FAULTS[fault](monkeypatch)
    assert _any_life_fails()
