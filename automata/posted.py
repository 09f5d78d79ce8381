"""One-way messages from outside that carry a request id: sent again under the same one, they are one message.

The message's id is recorded in the step that stores it, as a request of the object that it is for, so that a client
that did not hear of it gets the same id again, also where the object has moved to. So is the cancelling of one that is
due later, as a request of no object.
"""

from __future__ import annotations

from hashlib import blake2b

from automata.envelope import Envelope
from automata.errors import InvalidArgument
from automata.request_ids import is_automatic
from darq.log import Log
from darq.step import Answer, Step

_CLIENT = b""  # the partition of steps that belong to no object


def message_request(request: bytes) -> bytes:
    """The key that the request id of a message is recorded under: none of those that calls are recorded under."""
    return b"\x02" + request


class Posted:
    """The messages that came under a request id, of one log."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def find(self, request: bytes, envelope: Envelope) -> str | None:
        """The id of the message that is stored under a request id. InvalidArgument if it is another."""
        log = self._log
        if is_automatic(request):
            answer = log.answers.find(request)
            return None if answer is None else answer.decode()
        found = log.requests.find(envelope.partition, message_request(request), int(log.clock() * 1000), log.group)
        if found is None:
            return None
        if found.fingerprint != _fingerprint(envelope):
            raise InvalidArgument(f"the request id {request!r} was used for another message: take a new one")
        return found.outcome.decode()

    def record(self, request: bytes | None, envelope: Envelope, step: Step, message_id: str) -> None:
        """Let the step that stores the message record its id."""
        if request is None:
            return
        if is_automatic(request):
            step.answers = [Answer(request, envelope.partition, message_id.encode())]
        else:
            self._record(step, request, _fingerprint(envelope), message_id.encode())

    def was_cancelled(self, request: bytes, message_id: str) -> bool:
        """Whether the message was cancelled under this request id."""
        log = self._log
        found = log.requests.find(_CLIENT, message_request(request), int(log.clock() * 1000), log.group)
        return found is not None and found.outcome == message_id.encode()

    def record_cancelled(self, request: bytes, message_id: str, step: Step) -> None:
        """Let the step that cancels a message record it."""
        self._record(step, request, blake2b(message_id.encode(), digest_size=16).digest(), message_id.encode())

    def _record(self, step: Step, request: bytes, fingerprint: bytes, outcome: bytes) -> None:
        log = self._log
        log.requests.record(step, message_request(request), fingerprint, outcome, int(log.clock() * 1000))


def _fingerprint(envelope: Envelope) -> bytes:
    return blake2b(envelope.partition + b"\x00" + envelope.payload(), digest_size=16).digest()
