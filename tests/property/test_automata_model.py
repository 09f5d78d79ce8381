"""Random records, failures, deletions, messages, checkpoints and crashes against a model: replay is the failure-free
state, and every operation is in it exactly once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from automata import Retry, apply, automaton, call, delete, readonly, record, ref, replay_cost, send
from darq.limits import Limits
from tests.memory_app import crashing, memory_app, seeded_store, settled

KEYS = ["a", "b", "c"]


@dataclass(frozen=True)
class Noted:
    number: int


@dataclass(frozen=True)
class Got:
    sender: str
    number: int


@automaton(retry=Retry(first_seconds=0.0005))
class Node:
    key: str
    count: int = 0
    notes: list[int] = []
    got: dict[str, list[int]] = {}

    async def note(self, numbers: list[int], fails: bool, waits: bool) -> int:
        for number in numbers:
            record(Noted(number))
            if waits:
                await asyncio.sleep(0)
        if fails:
            raise ValueError("as asked")
        return self.count

    async def tell(self, to: list[str], number: int) -> None:
        record(Noted(number))
        for key in to:
            send(ref(Node, key).hear(self.key, number))

    async def hear(self, sender: str, number: int) -> None:
        record(Got(sender, number))

    async def start_anew(self, number: int) -> None:
        delete()
        record(Noted(number))

    @apply
    def noted(self, e: Noted) -> None:
        self.count += 1
        self.notes.append(e.number)

    @apply
    def heard(self, e: Got) -> None:
        assert self.got.get(e.sender, [-1])[-1] < e.number, "a message came twice, or out of order"
        self.got.setdefault(e.sender, []).append(e.number)

    @readonly
    async def get(self) -> tuple[int, list[int], dict[str, list[int]]]:
        return self.count, self.notes, self.got


operation = st.one_of(
    st.tuples(st.just("note"), st.sampled_from(KEYS), st.integers(0, 3), st.booleans(), st.booleans()),
    st.tuples(st.just("tell"), st.sampled_from(KEYS), st.lists(st.sampled_from(KEYS), max_size=3, unique=True)),
    st.tuples(st.just("anew"), st.sampled_from(KEYS)),
)


class Model:
    """What a life without failures would have come to. What was heard is kept apart: nobody deletes in between."""

    def __init__(self) -> None:
        self.notes: dict[str, list[int]] = {key: [] for key in KEYS}
        self.told: dict[tuple[str, str], list[int]] = {}

    def do(self, number: int, wanted: Any) -> None:
        kind, key, *rest = wanted
        if kind == "note" and not rest[1]:
            self.notes[key] += [number] * rest[0]
        elif kind == "tell":
            self.notes[key].append(number)
            for to in rest[0]:
                self.told.setdefault((key, to), []).append(number)
        elif kind == "anew":
            self.notes[key] = [number]


def invoke(number: int, wanted: Any) -> Any:
    kind, key, *rest = wanted
    if kind == "note":
        made = ref(Node, key).note([number] * rest[0], rest[1], rest[2])
    elif kind == "tell":
        made = ref(Node, key).tell(rest[0], number)
    else:
        made = ref(Node, key).start_anew(number)
    return call(made, idempotency_key=str(number))


async def notes_of_all() -> dict[str, list[int]]:
    held = {key: await ref(Node, key).get() for key in KEYS}
    assert all(count == len(notes) for count, notes, _ in held.values())
    return {key: notes for key, (_, notes, _) in held.items()}


async def told_of_all() -> dict[tuple[str, str], list[int]]:
    held = {key: await ref(Node, key).get() for key in KEYS}
    return {(sender, key): got for key, (_, _, heard) in held.items() for sender, got in heard.items()}


@given(
    wanted=st.lists(st.tuples(operation, st.booleans(), st.integers(0, 4)), max_size=14),
    seed=st.integers(0, 2**32),
    every=st.sampled_from([1, 3, 1000]),
    group_steps=st.sampled_from([1, 2, 1024]),
    slow=st.booleans(),
)
def test_an_automaton_is_what_its_operations_make_of_it_through_any_crashes(
    wanted: Any, seed: int, every: int, group_steps: int, slow: bool
) -> None:
    anew = any(one[0] == "anew" for one, _, _ in wanted)

    async def scenario() -> None:
        store, model = seeded_store(seed), Model()
        limits = Limits(group_steps_max=group_steps, inline_flush_seconds_max=-1.0 if slow else 0.0005)
        left = [(number, one, crashes, turns) for number, (one, crashes, turns) in enumerate(wanted)]
        while left:
            async with crashing(store, limits):
                while left:
                    number, one, crashes, turns = left[0]
                    made = asyncio.ensure_future(invoke(number, one))
                    if crashes:
                        left[0] = (number, one, False, 0)
                        for _ in range(turns):
                            await asyncio.sleep(0)
                        break
                    await asyncio.gather(made, return_exceptions=True)
                    model.do(number, one)
                    del left[0]
                    assert await notes_of_all() == model.notes
            if not made.done():
                made.cancel()
            await asyncio.gather(made, return_exceptions=True)
        for _ in range(2):
            async with memory_app(store, limits):
                if not anew:
                    await settled(told_of_all, model.told)
                assert await notes_of_all() == model.notes

    with (
        mock.patch.object(replay_cost, "REPLAY_US_MIN", every * replay_cost.RECORD_US),
        mock.patch.object(replay_cost, "SNAPSHOTS", 1e-9),
        mock.patch.object(replay_cost, "RECORD_BYTES_PER_US", 1e9),
    ):
        asyncio.run(scenario())
