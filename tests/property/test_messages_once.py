"""Random senders, receivers and crashes: every message that was committed arrives exactly once, in order per pair."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from automata import List, Ref, Retry, call, object_type, readonly, ref, send
from darq.limits import Limits
from tests.memory_app import crashing, memory_app, seeded_store, settled

KEYS = ["a", "b", "c"]


@object_type(retry=Retry(first_seconds=0.0005))
class Peer:
    key: str
    sent: List[tuple[str, str]]
    got: List[tuple[str, str]]
    stumbles: int = 0

    async def emit(self, to: list[str], name: str, awaits: bool) -> None:
        for n, key in enumerate(to):
            self.sent.append((key, f"{name}.{n}"))
            peer = ref(Peer, key)
            send(peer.take_slowly(self.key, f"{name}.{n}") if n % 3 == 1 else peer.take(self.key, f"{name}.{n}"))
            if awaits:
                await ref(Peer, "witness").take(self.key, "seen")

    async def take(self, sender: str, text: str) -> None:
        self.got.append((sender, text))

    async def take_slowly(self, sender: str, text: str) -> None:
        await asyncio.sleep(0)
        self.got.append((sender, text))

    @readonly
    async def both(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        return list(self.sent), list(self.got)


emissions = st.lists(
    st.tuples(st.sampled_from(KEYS), st.lists(st.sampled_from(KEYS), max_size=5), st.booleans()), max_size=6
)


async def total() -> int:
    missing = 0
    for key in KEYS:
        sent, got = await ref(Peer, key).both()
        missing += len(sent) - len(got)
    return missing


@given(
    # one more death, and a message that was tried in three of them may rightly be a dead letter
    lives=st.lists(st.tuples(emissions, st.integers(0, 4)), max_size=3),
    seed=st.integers(0, 2**32),
    window=st.sampled_from([2, 20_000]),
    slow=st.booleans(),
)
def test_every_committed_message_arrives_once_and_in_order(lives: Any, seed: int, window: int, slow: bool) -> None:
    async def scenario() -> None:
        store = seeded_store(seed)
        limits = Limits(inbox_window_messages_max=window, inline_flush_seconds_max=-1.0 if slow else 0.0005)
        acknowledged = set()
        for life, (wanted, turns) in enumerate(lives):
            async with crashing(store, limits):
                calls = {
                    f"{life}.{n}": asyncio.ensure_future(
                        call(ref(Peer, key).emit(to, f"{life}.{n}", awaits), idempotency_key=f"{life}.{n}")
                    )
                    for n, (key, to, awaits) in enumerate(wanted)
                }
                for _ in range(turns):
                    await asyncio.sleep(0)
            for made in calls.values():
                made.cancel()  # those that wait in line would wait for ever: their process is dead
            await asyncio.gather(*calls.values(), return_exceptions=True)
            acknowledged |= {name for name, made in calls.items() if not made.cancelled() and not made.exception()}
        async with memory_app(store, limits):
            await settled(total, 0)
            await _check(lives, acknowledged)
        async with memory_app(store, limits):
            await _check(lives, acknowledged)

    asyncio.run(scenario())


async def _check(lives: Any, acknowledged: set[str]) -> None:
    held = {key: await ref(Peer, key).both() for key in KEYS}
    for sender in KEYS:
        for receiver in KEYS:
            sent = [text for to, text in held[sender][0] if to == receiver]
            got = [text for by, text in held[receiver][1] if by == sender]
            assert got == sent
    sent_at_all = {text for sent, _ in held.values() for _, text in sent}
    for life, (wanted, _) in enumerate(lives):
        for n, (_, to, _) in enumerate(wanted):
            if f"{life}.{n}" in acknowledged:
                assert {f"{life}.{n}.{i}" for i in range(len(to))} <= sent_at_all


@object_type(retry=Retry(first_seconds=0.0005))
class Purse:
    balance: int = 100

    async def pay(self, to: Ref[Purse], amount: int, how: str) -> int:
        if how == "slow":
            seen = self.balance
            await asyncio.sleep(0)
            self.balance = seen - amount
        else:
            self.balance -= amount
        send(to.receive(amount)) if how != "call" else await to.receive(amount)
        if self.balance < 0 and how != "call":
            raise ValueError("overdrawn")
        return self.balance

    async def receive(self, amount: int) -> None:
        self.balance += amount

    @readonly
    async def get(self) -> int:
        return self.balance


payments = st.tuples(
    st.sampled_from(KEYS), st.sampled_from(KEYS), st.integers(1, 80), st.sampled_from(["send", "slow", "call"])
)


@given(st.lists(payments, max_size=25))
def test_concurrent_callers_neither_lose_nor_make_money(wanted: list[tuple[str, str, int, str]]) -> None:
    async def scenario() -> None:
        async with memory_app():
            await asyncio.gather(
                *(ref(Purse, a).pay(ref(Purse, b), amount, how) for a, b, amount, how in wanted),
                return_exceptions=True,
            )

            async def sum_of_all() -> int:
                return sum([await ref(Purse, key).get() for key in KEYS])

            await settled(sum_of_all, 300)

    asyncio.run(scenario())
