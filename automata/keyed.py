"""Idempotency keys: the same key gives the same outcome, joins a call that still runs, and never a second run.

A key belongs to its object. The outcome is recorded in the step that ends the method, so neither can be lost alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import blake2b

from automata.calls import Call
from automata.errors import InvalidArgument, StateError
from automata.journal import ANYTHING
from automata.methods import Method, Packed
from automata.open_invocations import OpenInvocations
from automata.outcomes import decode_outcome, encode_outcome
from automata.request_ids import NO_FINGERPRINT, is_automatic, is_nested, of_user
from automata.work import Caller, Outcome, Reply, Request, Work
from darq.log import Log
from darq.step import Answer, Step


class Keyed:
    """The calls under a key of one host."""

    def __init__(self, log: Log, opened: OpenInvocations, start: Callable[[Work], Reply]) -> None:
        self._log = log
        log.answers.lasting = is_nested
        self._opened = opened
        self._start = start
        self._running: dict[tuple[bytes, bytes], tuple[bytes, asyncio.Future[Outcome]]] = {}

    def request(self, call: Call, packed: Packed) -> Request | None:
        """The request of an invocation, if it has a key."""
        if call.request is None:
            return None
        return request_of(call.method, of_user(call.request), call.method.encode_arguments(packed))

    def invoke(self, work: Work) -> Reply:
        """Answer from what is known under the key, else run. Raises InvalidArgument for other arguments under it."""
        request = work.request
        assert request is not None, "only calls with a key come here"
        partition = work.entity.partition
        name = (partition, request.key)
        if name in self._running:
            fingerprint, reply = self._running[name]
            _check(request, fingerprint)
            if work.caller is not None and self._opened.waits_within(work.caller.address, partition, request.key):
                raise StateError(
                    f"{work.entity.address} {work.method.name} would wait for itself: it runs under the idempotency "
                    f"key {_shown(request)}, and what it awaits calls it under that again. Take another key"
                )
            return reply
        log = self._log
        if is_automatic(request.key):
            answer = log.answers.find(request.key)
            if answer is not None:
                return decode_outcome(answer, work.method.result, work.entity.group)
            return self._run(work, request)
        recorded = log.requests.find(partition, request.key, int(log.clock() * 1000), log.group)
        if recorded is not None:
            _check(request, recorded.fingerprint)
            return decode_outcome(recorded.outcome, work.method.result, work.entity.group)
        return self._run(work, request)

    def _run(self, work: Work, request: Request) -> Reply:
        partition = work.entity.partition
        self._opened.check(partition, request.key)
        started = self._start(work)
        if not isinstance(started, Outcome):
            self.join(partition, request, started)
        return started

    def asked_before(self, partition: bytes, caller: Caller) -> Request | None:
        """The request under which this call was recorded, or runs, because an object has moved meanwhile.

        What a method that has moved asks for always has one: it may be on its way from where the method was.
        """
        request = Request(self._opened.request_of(caller.address), NO_FINGERPRINT)
        if self._opened.has_moved(caller.address[0]):
            return request
        log = self._log
        known = (partition, request.key) in self._running or self._opened.is_open(partition, request.key)
        return request if known or log.answers.find(request.key) is not None else None

    def join(self, partition: bytes, request: Request, reply: asyncio.Future[Outcome]) -> None:
        """Let further calls under the key wait for a reply that is under way."""
        name = (partition, request.key)
        self._running[name] = (request.fingerprint, reply)

        def answered(done: asyncio.Future[Outcome]) -> None:
            if name in self._running and self._running[name][1] is done:  # else it was resumed meanwhile
                del self._running[name]

        reply.add_done_callback(answered)

    def record(self, work: Work, outcome: Outcome, step: Step) -> None:
        """Let the step that ends the method record its outcome."""
        request = work.request
        if request is None:
            return
        method = work.method
        what = "" if outcome.error is None else f"{method.type_name}.{method.name}"
        data = encode_outcome(outcome, method.result, self._log.limits.message_bytes_max, what)
        outcome.recorded = data
        if is_automatic(request.key):
            step.answers = [Answer(request.key, step.partition, data)]
        else:
            self._record(step, request, data, work.entity.made.options.keys_kept_ms)

    def give_up(self, step: Step, request: Request, outcome: Outcome, kept_ms: int | None) -> None:
        """Let `step` record that a person has given the method up, so that the key is not a second run.

        kept_ms: for how long, if not for as long as the log's limit says.
        """
        data = encode_outcome(outcome, ANYTHING, self._log.limits.message_bytes_max, "an interrupted method")
        self._record(step, request, data, kept_ms)

    def _record(self, step: Step, request: Request, outcome: bytes, kept_ms: int | None) -> None:
        if is_automatic(request.key):
            step.answers = [Answer(request.key, step.partition, outcome)]
            return
        now_ms = int(self._log.clock() * 1000)
        self._log.requests.record(step, request.key, request.fingerprint, outcome, now_ms, kept_ms)


def _check(request: Request, fingerprint: bytes) -> None:
    if request.fingerprint != fingerprint:
        raise InvalidArgument(
            f"the idempotency key {_shown(request)} was used for another call of this object: take a new key "
            "for new arguments"
        )


def request_of(method: Method, key: bytes, arguments: bytes) -> Request:
    """The request of a call under a key. An id that no user gave stands for one call alone: it needs no fingerprint."""
    if is_automatic(key):
        return Request(key, NO_FINGERPRINT)
    return Request(key, blake2b(method.name.encode() + b"\x00" + arguments, digest_size=16).digest())


def _shown(request: Request) -> str:
    return repr(request.key.decode(errors="replace"))
