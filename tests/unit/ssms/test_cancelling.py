"""Which stores are asked to drop a message that is due later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from automata.asking import CANCEL, Ask
from automata.errors import StorageFull
from automata.journal import ANYTHING
from automata.outcomes import encode_outcome
from automata.work import Outcome, Refusal
from ssms.cancelling import cancel_anywhere

A, B, C = STORES = [bytes([n]) * 16 for n in range(3)]
MESSAGE = Ask(CANCEL, b"", f"{A[:4].hex()}-7-99", b"", b"request")


def asked(answer: Callable[[bytes], object]) -> tuple[bool, list[bytes]]:
    """What comes of cancelling, and who was asked. answer: gives what a store says, or an exception."""
    names: list[bytes] = []

    async def start(ask: Ask, store: bytes) -> bytes:
        assert ask == MESSAGE
        names.append(store)
        said = answer(store)
        outcome = Refusal(said) if isinstance(said, Exception) else Outcome(said, None, 0)
        return encode_outcome(outcome, ANYTHING, 1000, "cancel")

    return asyncio.run(cancel_anywhere(MESSAGE, STORES, start)), names


@pytest.mark.parametrize("known", [True, False])
def test_whoever_has_it_or_knows_that_it_is_over_is_the_only_one_asked(known: bool) -> None:
    assert asked(lambda store: known) == (known, [A])


def test_where_it_may_have_gone_all_are_asked() -> None:
    stopped, names = asked({A: None, B: False, C: True}.get)
    assert stopped
    assert set(names) == {A, B, C}


def test_one_that_goes_to_a_store_that_was_asked_already_is_found() -> None:
    at = [C]

    def answer(store: bytes) -> bool | None:
        if store == C and at == [C]:  # it has left just before
            at[0] = B
            return None
        return at[0] == store or None

    assert asked(answer)[0]


def test_what_nobody_has_is_over() -> None:
    assert not asked(lambda store: None)[0]


def test_what_was_set_in_a_store_that_is_no_more_is_looked_for_everywhere() -> None:
    message = Ask(CANCEL, b"", "ffffffff-7-99", b"", b"request")

    async def start(ask: Ask, store: bytes) -> bytes:
        return encode_outcome(Outcome(store == B, None, 0), ANYTHING, 1000, "cancel")

    assert asyncio.run(cancel_anywhere(message, STORES, start))


def test_a_store_that_refuses_is_told_of() -> None:
    with pytest.raises(StorageFull):
        asked(lambda store: StorageFull("no room"))
