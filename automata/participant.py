"""What other stores ask of this one for transactions that span them: to run calls, to prepare, to commit or undo.

    PART (a call) ... -> PREPARE -> rows of `prepared`, a vote -> message "commit" -> steps -> message "done"
                                                               -> ABORT -> nothing has happened

Whoever hears nothing of a transaction for a while asks the store that began it (`decisions`), so nothing stays held.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from automata.asking import ABORT, DECISION, PREPARE, Ask
from automata.branch import Branch, Surroundings
from automata.errors import InvalidArgument
from automata.journal import ANYTHING
from automata.locks import Died
from automata.methods import Method, Packed
from automata.moved import Moved
from automata.outcomes import decode_outcome, encode_outcome
from automata.span import (
    COMMIT,
    DONE,
    Answered,
    Decision,
    Ended,
    Vote,
    Voted,
    decode_span,
    encode,
    is_about,
    message,
    read_message,
    store_of,
)
from automata.work import Outcome, Refusal, Reply, ordinary
from darq.errors import AutomataError
from darq.step import Message, Step

if TYPE_CHECKING:
    from automata.decisions import Decisions
    from automata.entity import Entity
    from automata.host import Host
    from automata.prepared import Prepared

INQUIRE_SECONDS = 1.0
"""After so long without a word of it, its own store is asked what became of a transaction."""
_UNCHANGED_MAX = 1000


class Participant:
    """The part of one host in transactions, also in those that its own store has begun."""

    def __init__(self, host: Host, around: Surroundings, decisions: Decisions, prepared: Prepared) -> None:
        self._host = host
        self._around = around
        self._decisions = decisions
        self._prepared = prepared
        self._branches: dict[bytes, Branch] = {}
        self._unchanged: OrderedDict[bytes, int] = OrderedDict()  # what has voted so, with its count
        self._inquiring: set[bytes] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._store = host.log.store.identity()
        if prepared.since:
            self._watch()

    def begin(self, branch: Branch) -> None:
        """A transaction of this store begins."""
        self._branches[branch.id] = branch

    def end(self, branch: Branch) -> None:
        """A transaction of this store has ended."""
        del self._branches[branch.id]

    # what is asked

    def call(self, ask: Ask, method: Method, packed: Packed, entity: Entity) -> Reply:
        """A call that is part of a transaction. Asked again under the same request, it is one."""
        span = decode_span(ask.span)
        branch = self._branches.get(span.id)
        if branch is not None and ask.request in branch.answers:
            return branch.answers[ask.request]
        expected = span.counts.get(self._store, 0)
        if branch is None and not expected and store_of(span.id) != self._store and span.id not in self._prepared.since:
            branch = self._branches[span.id] = Branch(self._around, span, entity, own=False)
            self._watch()
        if branch is None or branch.count != expected or branch.undone is not None:
            return _answer(Ended.DIED, span.counts | {self._store: expected}, b"", 0)
        branch.seen_at = self._host.loop.time()
        branch.count += 1
        branch.counts = span.counts | {self._store: branch.count}
        sent_lsn = self._host.log.next_lsn - 1 if ask.behind else 0
        running = self._host.run_beside(
            self._run(branch, ask.request, partial(branch.serve, entity, method, packed, sent_lsn), method)
        )
        branch.answers[ask.request] = running
        return running

    def answer(self, ask: Ask) -> Outcome:
        """PREPARE, ABORT or DECISION, whose request is the transaction."""
        transaction = ask.request
        if ask.kind == DECISION:
            return self._decision(transaction)
        count = int(ask.method)
        if ask.kind == PREPARE:
            return self._prepare(transaction, count)
        if ask.kind == ABORT:
            return Outcome(self._abort(transaction, count), None, 0)
        raise InvalidArgument(f"no host answers {ask.kind}")

    def relay(self, others: Callable[[Message], bool] | None) -> Callable[[Message], bool]:
        """What takes messages about transactions, and leaves others to others."""

        def take(received: Message) -> bool:
            if not is_about(received.partition):
                return others is not None and others(received)
            self._take(received)
            return True

        return take

    # inside

    def _take(self, received: Message) -> None:
        """A message about a transaction, which a step consumes."""
        transaction, what, store = read_message(received)
        step = Step(received.partition, b"")
        step.consume(received)
        prepared = what == COMMIT and transaction in self._prepared.since
        if what == COMMIT:
            step.send_to_store(store_of(transaction), message(transaction, DONE, self._store))
        else:
            self._decisions.applied(transaction, store, step)
        if prepared:
            self._prepared.commit(transaction, step)
        self._host.log.commit(step)
        self._host.committer.touch()
        if prepared:
            self._prepared.let_go(transaction)

    async def _run(
        self, branch: Branch, request: bytes, serve: Callable[[], Awaitable[Outcome]], method: Method
    ) -> Outcome:
        kind, bytes_max, what = (
            method.result,
            self._host.log.limits.message_bytes_max,
            f"{method.type_name}.{method.name}",
        )
        try:
            outcome = await serve()
            return _answer(Ended.AS_ANY, branch.counts, encode_outcome(outcome, kind, bytes_max, what), branch.group)
        except Moved as moved:
            branch.count -= 1
            del branch.answers[request]
            if not branch.count and not branch.own:
                self._drop(branch)
            return Refusal(moved)
        except Died:
            if not branch.own:
                self._drop(branch)
            return _answer(Ended.DIED, branch.counts, b"", 0)
        except Exception as error:  # noqa: BLE001 - whatever undoes the transaction, the store that began it has to know
            undone = encode_outcome(Outcome(None, error, 0), kind, bytes_max, what)
            return _answer(Ended.UNDONE, branch.counts, undone, branch.group)

    def _prepare(self, transaction: bytes, count: int) -> Outcome:
        """Vote, and write down what will change. It is asked again until the vote has arrived."""
        if transaction in self._prepared.since:
            return _vote(Voted.CHANGES, b"", self._staged())
        branch = self._branches.get(transaction)
        if self._unchanged.get(transaction) == count:
            return _vote(Voted.UNCHANGED, b"", 0)
        if branch is None or branch.own or branch.count != count or branch.undone is not None:
            return _vote(Voted.LOST, b"", 0)
        host = self._host
        try:
            host.admit()
            steps = host.stage.steps_of(branch)
            if not steps:
                self._note_unchanged(transaction, count)
                self._drop(branch)
                return _vote(Voted.UNCHANGED, b"", branch.group)
            changes = [(changes.method.name, step) for changes, step, _ in steps]
            group = self._prepared.prepare(transaction, changes)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being written down, its method has to know
            refused = getattr(host.log, "refusing", False)
            failed = Refusal(error) if refused else Outcome(None, ordinary(error, "a transaction"), 0)
            return _vote(Voted.FAILED, encode_outcome(failed, ANYTHING, host.log.limits.message_bytes_max, "it"), 0)
        del self._branches[transaction]
        touched = [touched.entity for touched in branch.touched.values()]
        branch.end(True, [entity for entity in touched if self._prepared.holds(transaction, entity.partition)])
        return _vote(Voted.CHANGES, b"", group)

    def _abort(self, transaction: bytes, count: int) -> bool:
        """Undo it. Returns whether all that it has done here was still known: so far nobody else was before it."""
        if transaction in self._prepared.since:
            self._prepared.undo(transaction)
            return True
        branch = self._branches.get(transaction)
        if branch is None or branch.own:
            return self._unchanged.get(transaction) == count
        self._drop(branch)
        return branch.count == count

    def _decision(self, transaction: bytes) -> Outcome:
        try:
            return Outcome(int(self._decisions.of(transaction)), None, self._staged())
        except AutomataError as error:
            return Refusal(error)

    def _staged(self) -> int:
        """The group that all depends on which is known now."""
        group = self._host.log.group
        return group.number if group.dirty else group.number - 1

    def _note_unchanged(self, transaction: bytes, count: int) -> None:
        self._unchanged[transaction] = count
        if len(self._unchanged) > _UNCHANGED_MAX:
            self._unchanged.popitem(last=False)

    def _drop(self, branch: Branch) -> None:
        if self._branches.get(branch.id) is branch:
            del self._branches[branch.id]
            branch.end(False)

    # what nobody speaks of any more

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = self._host.loop.call_later(INQUIRE_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        host = self._host
        if host.log.gate.failure is not None or host.tasks.stopping:
            return
        before = host.loop.time() - INQUIRE_SECONDS
        silent = [name for name, branch in self._branches.items() if not branch.own and branch.seen_at <= before]
        silent += [name for name, since in self._prepared.since.items() if since <= before]
        for transaction in silent:
            if transaction not in self._inquiring:
                self._inquiring.add(transaction)
                host.run_beside(self._inquire(transaction))
        if self._prepared.since or any(not branch.own for branch in self._branches.values()):
            self._watch()

    async def _inquire(self, transaction: bytes) -> Outcome:
        """Ask what became of it. What is committed comes as a message, which is on its way."""
        store = store_of(transaction)
        try:
            if store == self._store:
                decision = self._decisions.of(transaction)
            else:
                data = await self._around.way.ask(Ask(DECISION, b"", "", b"", transaction), store)
                decision = Decision(cast("int", decode_outcome(data, ANYTHING, 0).take()))
        except AutomataError:
            return Outcome(None, None, 0)  # it is asked again
        finally:
            self._inquiring.discard(transaction)
        if decision == Decision.ABORTED and transaction in self._prepared.since:
            self._prepared.undo(transaction)
        branch = self._branches.get(transaction)
        if decision != Decision.OPEN and branch is not None:
            self._drop(branch)
        return Outcome(None, None, 0)


def _answer(ended: Ended, counts: dict[bytes, int], outcome: bytes, group: int) -> Outcome:
    return Outcome(encode(Answered(ended, counts, outcome)), None, group)


def _vote(voted: Voted, outcome: bytes, group: int) -> Outcome:
    return Outcome(encode(Vote(voted, outcome)), None, group)
