"""Unfinished methods of a store: their rows, who awaits them, and under which key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from automata.entity import Entity
from automata.errors import Interrupted, StorageFull
from automata.journal import ANYTHING, Answer, Await, Journal, Part
from automata.open_invocations import OpenInvocations
from automata.reads import ReadSet
from automata.types import REGISTRY
from automata.work import Outcome, Refusal, Request, Work
from darq import keys
from darq.log import Log
from darq.memory import MemoryStore
from darq.step import Step
from tests.memory_app import in_loop
from tests.unit.automata.gates import rows


class World:
    """The open invocations of one store, without a host."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.live()

    def live(self) -> None:
        self.log = Log(self.store)
        self.opened = OpenInvocations(self.log)

    def die(self) -> None:
        """Lose what is not written, and begin the next life."""
        self.store.crash()
        self.live()

    def write(self) -> None:
        self.log.commit(Step(b"", b""))
        self.log.commit_now()

    def work(self, key: str = "k", request: Request | None = None, caller: Any = None) -> Work:
        made = REGISTRY.newest["Gatekeeper"]
        entity = Entity(made, key, self.log, 0)
        return Work(entity, made.method("wait"), (), None, request, False, caller)

    def begin(self, key: str = "k", **how: Any) -> Journal:
        journal = self.opened.open(self.work(key, **how))
        self.part(journal)
        return journal

    def part(self, journal: Journal) -> None:
        self.opened.add_part(journal, Part(ReadSet(), [], 0, Await("call", ["T/k go"])))

    def answer(self, journal: Journal, part: int, value: object, index: int = 0) -> None:
        self.opened.answer((journal.number, part, index), Answer.of(Outcome(value, None, 0), ANYTHING))

    def loaded(self) -> list[Journal]:
        for journal in self.opened.all():
            if not journal.loaded:
                self.opened.load(journal)
        return self.opened.all()


def values(journal: Journal) -> dict[tuple[int, int], object]:
    return {at: answer.outcome(ANYTHING, 0).value for at, answer in journal.answers.items()}


def test_a_journal_is_there_in_the_next_life() -> None:
    world = World()
    journal = world.begin()
    world.answer(journal, 0, "one")
    world.write()
    world.part(journal)
    world.answer(journal, 1, "two", index=2)
    world.write()
    world.die()
    [again] = world.loaded()
    assert (again.number, again.row.method, len(again.parts)) == (journal.number, "wait", 2)
    assert values(again) == {(0, 0): "one", (1, 2): "two"}
    assert again.size_bytes > 0


def test_what_was_not_written_is_lost_together() -> None:
    world = World()
    journal = world.begin()
    world.write()
    world.answer(journal, 0, "lost")
    world.part(journal)
    world.die()
    [again] = world.loaded()
    assert (len(again.parts), values(again)) == (1, {})


def test_what_begins_and_ends_within_a_group_is_never_written() -> None:
    world = World()
    journal = world.begin()
    world.answer(journal, 0, "x")
    world.opened.end(journal)
    world.log.commit(Step(b"", b""))
    group = world.log.group
    world.log.commit_now()
    assert not [key for key in group.rows if key[:1] in (keys.INVOCATION, keys.JOURNAL)]


def test_all_rows_go_with_the_end() -> None:
    world = World()
    journal = world.begin()
    world.answer(journal, 0, "x")
    world.write()
    assert rows(world.store) == 3
    world.opened.end(journal)
    world.write()
    assert rows(world.store) == 0


def test_rows_of_an_earlier_life_go_with_the_end() -> None:
    world = World()
    world.answer(world.begin(), 0, "x")
    world.write()
    world.die()
    [journal] = world.loaded()
    world.opened.end(journal)
    world.write()
    assert rows(world.store) == 0


def test_answers_that_come_before_a_journal_is_loaded_are_kept() -> None:
    world = World()
    world.begin()
    world.write()
    world.die()
    [journal] = world.opened.all()
    world.answer(journal, 0, "one", index=0)
    world.write()
    world.answer(journal, 0, "two", index=1)
    world.write()
    assert values(world.loaded()[0]) == {(0, 0): "one", (0, 1): "two"}
    world.die()
    assert values(world.loaded()[0]) == {(0, 0): "one", (0, 1): "two"}


def test_answers_for_methods_that_have_ended_count_for_nothing() -> None:
    world = World()
    journal = world.begin()
    world.opened.end(journal)
    world.answer(journal, 0, "late")
    world.write()
    assert rows(world.store) == 0


def test_a_method_is_found_by_who_awaits_it() -> None:
    world = World()
    outer = world.begin("outer")
    address = (outer.number, 0, 0)
    inner = world.begin("inner", caller=world.opened.caller(address))
    assert world.opened.callee(address) is inner
    world.write()
    world.die()
    found = world.opened.callee(address)
    assert found is not None
    assert found.number == inner.number
    world.opened.end(found)
    assert world.opened.callee(address) is None


def test_a_restarted_method_has_a_new_number_so_that_old_answers_do_not_reach_it() -> None:
    world = World()
    outer = world.begin("outer")
    world.answer(outer, 0, "old")
    old = world.begin("inner", caller=world.opened.caller((outer.number, 0, 1)))
    world.write()
    anew = world.opened.restart(outer)
    assert (anew.parts, anew.answers, anew.row.anew) == ([], {}, True)
    world.write()
    assert anew.number != outer.number
    old_caller = world.opened.caller((outer.number, 0, 1))
    world.opened.end(old)
    old_caller.answer(Outcome("late", None, 0), ANYTHING)
    world.write()
    world.die()
    [again] = world.loaded()
    assert (again.number, again.row.anew, again.parts, again.answers) == (anew.number, True, [], {})
    assert rows(world.store) == 1


def test_the_key_of_a_method_in_trouble_is_refused() -> None:
    world = World()
    request = Request(b"key", b"f" * 16)
    journal = world.begin(request=request)
    partition = journal.row.partition
    world.opened.check(partition, b"key")
    journal.row.trouble, journal.row.error = "mismatch", "it differs"
    with pytest.raises(Interrupted, match="it differs"):
        world.opened.check(partition, b"key")
    world.opened.end(journal)
    world.opened.check(partition, b"key")


def test_refusals_that_were_stored_are_forgotten_on_disk_as_well() -> None:

    world = World()
    journal = world.begin()
    refused = Answer.of(Refusal(StorageFull("no room")), ANYTHING)
    world.opened.answer((journal.number, 0, 0), refused)
    world.write()
    world.opened.ask_again(journal)
    world.write()
    world.die()
    [again] = world.loaded()
    assert values(again) == {}
    world.answer(again, 0, "done")
    world.write()
    world.die()
    assert values(world.loaded()[0]) == {(0, 0): "done"}


@in_loop
async def test_who_expects_an_answer_is_told_and_who_gave_up_is_passed_over() -> None:
    world = World()
    journal = world.begin()
    loop = asyncio.get_running_loop()
    address = (journal.number, 0, 0)
    gave_up = world.opened.expect(address, loop)
    gave_up.cancel()
    waiting = world.opened.expect(address, loop)
    assert not waiting.done()
    assert world.opened.expect(address, loop) is waiting
    world.answer(journal, 0, "x")
    assert waiting.done()


def test_progress_forgets_failed_tries_and_deaths() -> None:
    world = World()
    journal = world.begin()
    journal.row.attempts = journal.row.deaths = 2
    world.part(journal)
    world.write()
    world.die()
    [again] = world.opened.all()
    assert (again.row.attempts, again.row.deaths) == (0, 0)
