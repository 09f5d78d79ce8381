"""Transactions that have to wait, on a cluster: for objects of other stores, or for such as others hold.

    body -> calls, here and in other stores (`branch`) -> PREPARE -> votes -> one step: what changes here, the decision,
    the answer in the caller's journal, and "commit" to the others through the outbox

Until that step is durable nothing has happened, whoever dies; from then on all of it happens, whoever dies. A try that
meets an older transaction, or whose part somewhere was lost, is undone and made again with the age of the first.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from automata.asking import ABORT, PREPARE, Ask
from automata.branch import Branch, Surroundings
from automata.decisions import Decisions
from automata.errors import TransactionConflict
from automata.journal import ANYTHING
from automata.locks import Died
from automata.outcomes import decode_outcome
from automata.participant import Participant
from automata.span import Span, Vote, Voted, decode_vote
from automata.transactions import Body
from automata.work import Caller, Outcome, Refusal, ordinary
from darq.errors import AutomataError, StoreClosed

if TYPE_CHECKING:
    from automata.entity import Entity
    from automata.host import Host

TRIES_MAX = 100
_PAUSE_SECONDS, _PAUSE_SECONDS_MAX = 0.005, 0.5


class Spanning:
    """Runs them for the methods of one host."""

    def __init__(self, host: Host, around: Surroundings, decisions: Decisions, participant: Participant) -> None:
        self._host = host
        self._around = around
        self._decisions = decisions
        self._participant = participant
        self._store = host.log.store.identity()

    async def run(self, body: Body, sender: Entity, caller: Caller | None) -> Outcome:
        """Run a transaction until it has an outcome. sender: whose method it is."""
        age = b""
        for failures in range(TRIES_MAX):
            transaction = self._decisions.begin()
            age = age or int(self._host.clock() * 1000).to_bytes(8, "big") + transaction
            branch = Branch(self._around, Span(transaction, age, {}), sender, own=True)
            outcome = await self._try(branch, body, caller)
            if outcome is not None:
                return outcome
            pause = min(_PAUSE_SECONDS_MAX, _PAUSE_SECONDS * 2**failures)
            await asyncio.sleep(self._host.random.random() * pause)
        error = TransactionConflict(
            f"a transaction of {sender.address} met older ones, or lost its part, {TRIES_MAX} times"
        )
        return _ended(Outcome(None, error, 0), caller)

    async def _try(self, branch: Branch, body: Body, caller: Caller | None) -> Outcome | None:
        """One try. None if it has to be made again."""
        committed = False
        self._participant.begin(branch)
        try:
            self._host.admit()
            value = ANYTHING.take(await branch.run_through(body))
            votes = await self._prepare(branch)
            failed = self._left(caller) or _failed(votes)
            if failed is None:
                outcome = self._commit(branch, votes, Outcome(value, None, 0), caller)
                committed = True
                return outcome
            self._abort(branch)
            return failed if failed.refused else _ended(failed, caller)
        except Died:
            self._abort(branch)
            return None
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the body raises is its outcome
            return await self._fail(branch, error, caller)
        finally:
            self._decisions.end(branch.id)
            self._participant.end(branch)
            branch.end(committed)

    async def _fail(self, branch: Branch, error: BaseException, caller: Caller | None) -> Outcome | None:
        """The body has raised: that counts if nobody came between what it saw here and there."""
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            if not self._host.closing:  # its method was cut off, because it moves or waits no longer
                self._abort(branch)
            raise error
        if self._host.log.refusing:
            self._abort(branch)
            return Refusal(error)
        try:
            told = await asyncio.gather(*self._ask(branch, ABORT))
        except AutomataError:
            return None
        if not all(decode_outcome(data, ANYTHING, 0).take() for data in told):
            return None
        return _ended(Outcome(None, ordinary(error, "a transaction"), branch.group), caller)

    async def _prepare(self, branch: Branch) -> dict[bytes, Vote]:
        """Ask all other stores for their votes. Raises Died if one has lost its part."""
        asked = self._ask(branch, PREPARE)
        votes = {}
        try:
            told = await asyncio.gather(*asked)
        except AutomataError as error:
            raise Died(str(error)) from error
        for store, data in zip(self._others(branch), told, strict=True):
            vote = decode_vote(cast("bytes", decode_outcome(data, ANYTHING, 0).take()))
            if vote.voted == Voted.LOST:
                raise Died("a store has lost its part")
            votes[store] = vote
        return votes

    def _left(self, caller: Caller | None) -> Outcome | None:
        """Why it must not happen if its method goes on elsewhere, or has ended: who resumes it runs it anew."""
        if caller is None or self._host.open_invocations.find(caller.address[0]) is not None:
            return None
        return Refusal(StoreClosed("the method that has begun this transaction does not run here any more"))

    def _commit(self, branch: Branch, votes: dict[bytes, Vote], outcome: Outcome, caller: Caller | None) -> Outcome:
        changed = [store for store, vote in votes.items() if vote.voted == Voted.CHANGES]
        if changed:
            branch.decision = self._decisions.commit(branch.id, changed)
        outcome.group = max(branch.group, self._host.stage.commit_together(branch, caller, outcome))
        return outcome

    def _abort(self, branch: Branch) -> None:
        """Tell all others, who find out by themselves if they do not hear of it."""
        for asking in self._ask(branch, ABORT):
            asking.add_done_callback(_whatever)

    def _ask(self, branch: Branch, kind: int) -> list[asyncio.Task[bytes]]:
        way, loop = self._around.way, self._host.loop
        asks = [(store, Ask(kind, b"", str(branch.counts[store]), b"", branch.id)) for store in self._others(branch)]
        return [loop.create_task(way.ask(ask, store)) for store, ask in asks]

    def _others(self, branch: Branch) -> list[bytes]:
        return [store for store in branch.counts if store != self._store]


def _failed(votes: dict[bytes, Vote]) -> Outcome | None:
    """The error of a store that cannot prepare, if there is one."""
    failed = [vote for vote in votes.values() if vote.voted == Voted.FAILED]
    return decode_outcome(failed[0].outcome, ANYTHING, 0) if failed else None


def _ended(outcome: Outcome, caller: Caller | None) -> Outcome:
    if caller is not None:
        caller.answer(outcome, ANYTHING)
    return outcome


def _whatever(done: asyncio.Task[bytes]) -> None:
    """Nobody waits for the answer."""
    if not done.cancelled():
        done.exception()
