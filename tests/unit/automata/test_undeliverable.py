"""Messages whose errors cannot be written down as they are: each becomes a letter, and no other message waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from automata import Retry, failure, object_type, readonly, ref, send
from automata.app import App
from automata.errors import StateError
from automata.methods import Method
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_app, in_embedded_app, in_loop, listed, memory_app, settled


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise KeyError("not even its message")


ERRORS: dict[str, Exception] = {
    "surrogates": ValueError("cannot parse \udcff"),
    "unspeakable": Unspeakable(),
    "large": ValueError("x" * 70_000_000),
}


@object_type(retry=Retry(first_seconds=0.0005))
class Parser:
    good: int = 0

    async def bad(self, kind: str) -> None:
        raise ERRORS[kind]

    async def bad_after_a_part(self, kind: str) -> None:
        await ref(Parser, "other").fine()
        raise ERRORS[kind]

    async def bad_later(self, kind: str) -> None:
        await asyncio.sleep(0)
        raise ERRORS[kind]

    async def fine(self) -> None:
        self.good += 1

    @readonly
    async def count(self) -> int:
        return self.good


P, Q = ref(Parser, "p"), ref(Parser, "q")


async def letters(app: App) -> list[str]:
    return [letter.method for letter in await listed(app.dead_letters())]


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("method", ["bad", "bad_later", "bad_after_a_part"])
@in_app
async def test_an_error_that_cannot_be_written_down_becomes_a_letter_and_the_next_is_delivered(
    app: App, method: str, kind: str
) -> None:
    send(getattr(P, method)(kind))
    send(P.fine())
    await settled(lambda: letters(app), [method])
    await settled(P.count, 1)
    await Q.fine()
    [letter] = await listed(app.dead_letters())
    assert letter.error.startswith(type(ERRORS[kind]).__name__)
    assert len(letter.error) + len(letter.traceback) <= 2 * failure.TEXT_BYTES_MAX


@in_loop
async def test_a_stored_message_of_that_kind_stops_no_later_life() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        app._engine.delivery.stop()  # type: ignore[union-attr]
        await send(P.bad("surrogates"))
    async with memory_app(store) as app:
        await settled(lambda: letters(app), ["bad"])
        await Q.fine()


@in_embedded_app
async def test_a_message_whose_arguments_cannot_be_written_down_leaves_a_short_letter(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Method, packed: Any) -> bytes:
        raise LookupError("no bytes for it")

    with monkeypatch.context() as patch:
        patch.setattr(Method, "encode_arguments", refuse)
        send(P.bad("surrogates"))
        send(P.fine())
        await settled(lambda: letters(app), ["bad"])
    [letter] = await listed(app.dead_letters())
    assert "no bytes for it" in letter.traceback
    with pytest.raises(StateError, match="could not be kept"):
        await app.retry(letter.id)
    await app.discard(letter.id)
    await settled(P.count, 1)


@in_embedded_app
async def test_a_fault_on_the_way_to_an_object_stops_no_other_message(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = app._engine
    assert engine is not None
    get = engine.host.entities.get

    def faulty(made: Any, key: str) -> Any:
        if key == "p":
            raise LookupError("its object cannot be made")
        return get(made, key)

    with monkeypatch.context() as patch:
        patch.setattr(engine.host.entities, "get", faulty)
        for _ in range(3):
            send(P.fine())
            send(Q.fine())
        await settled(lambda: letters(app), ["fine"] * 3)
    assert await Q.count() == 3
    for letter in await listed(app.dead_letters()):
        assert "cannot be made" in letter.error
        await app.retry(letter.id)
    await settled(P.count, 3)


def test_texts_of_errors_are_bounded_and_say_that_they_were_cut() -> None:
    for error in ERRORS.values():
        for text in (failure.text_of(error), failure.trace(error)):
            assert len(text.encode()) <= failure.TEXT_BYTES_MAX
    assert "cut: it had 70000012 characters" in failure.text_of(ERRORS["large"])
    assert failure.text_of(ERRORS["surrogates"]) == "ValueError: cannot parse \\udcff"
    assert "KeyError" in failure.text_of(ERRORS["unspeakable"])
