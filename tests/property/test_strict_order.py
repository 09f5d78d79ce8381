"""Random senders, failures and crashes against a model: a strict object takes each sender's messages in their order."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from automata import List, Retry, call, object_type, readonly, ref, send
from darq.limits import Limits
from tests.memory_app import crashing, memory_app, seeded_store, settled

SENDERS = ["a", "b"]
RECEIVERS = ["x", "y"]
FAILURES: dict[str, int] = {}


@object_type(strict_order=True, retry=Retry(tries=1_000, first_seconds=0.0001, seconds_max=0.001))
class Strict:
    key: str
    sent: List[tuple[str, str]]
    got: List[tuple[str, str]]

    async def emit(self, name: str, to: list[tuple[str, int, bool]]) -> None:
        for n, (key, failures, slow) in enumerate(to):
            text = f"{name}.{n}"
            FAILURES.setdefault(text, failures)
            self.sent.append((key, text))
            receiver = ref(Strict, key)
            send(receiver.take_slowly(self.key, text) if slow else receiver.take(self.key, text))

    async def take(self, sender: str, text: str) -> None:
        self.got.append((sender, text))
        fail(text)

    async def take_slowly(self, sender: str, text: str) -> None:
        self.got.append((sender, text))
        await asyncio.sleep(0)
        fail(text)

    @readonly
    async def both(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        return list(self.sent), list(self.got)


def fail(text: str) -> None:
    FAILURES[text] -= 1
    if FAILURES[text] >= 0:
        raise LookupError(text)


messages = st.lists(st.tuples(st.sampled_from(RECEIVERS), st.sampled_from([0, 0, 1, 3]), st.booleans()), max_size=6)
emissions = st.lists(st.tuples(st.sampled_from(SENDERS), messages), max_size=5)


async def missing() -> int:
    sent = [len((await ref(Strict, key).both())[0]) for key in SENDERS]
    got = [len((await ref(Strict, key).both())[1]) for key in RECEIVERS]
    return sum(sent) - sum(got)


@given(
    lives=st.lists(st.tuples(emissions, st.integers(0, 6)), max_size=3),  # after three deaths it may be a dead letter
    seed=st.integers(0, 2**32),
    window=st.sampled_from([2, 20_000]),
    slow=st.booleans(),
)
def test_each_senders_messages_arrive_in_order_whatever_fails(lives: Any, seed: int, window: int, slow: bool) -> None:
    FAILURES.clear()

    async def scenario() -> None:
        store = seeded_store(seed)
        limits = Limits(inbox_window_messages_max=window, inline_flush_seconds_max=-1.0 if slow else 0.0005)
        for life, (wanted, turns) in enumerate(lives):
            async with crashing(store, limits):
                calls = [
                    asyncio.ensure_future(call(ref(Strict, key).emit(f"{life}.{n}", to)))
                    for n, (key, to) in enumerate(wanted)
                ]
                for _ in range(turns):
                    await asyncio.sleep(0.0002 if turns % 2 else 0)
            for made in calls:
                made.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        async with memory_app(store, limits):
            await settled(missing, 0)
            await _check()
        async with memory_app(store, limits):
            await _check()

    asyncio.run(scenario())


async def _check() -> None:
    sent = {key: (await ref(Strict, key).both())[0] for key in SENDERS}
    for receiver in RECEIVERS:
        got = (await ref(Strict, receiver).both())[1]
        for sender in SENDERS:
            expected = [text for to, text in sent[sender] if to == receiver]
            assert [text for by, text in got if by == sender] == expected
