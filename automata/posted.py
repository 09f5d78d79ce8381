"""One-way messages from outside that carry a request id: sent again under the same one, they are one message.

The id of the message is recorded in the step that stores it (the request row of no object), so that a client that
did not hear of it gets the same message id again.
"""

from __future__ import annotations

from hashlib import blake2b

from automata.calls import Call
from automata.envelope import Envelope
from automata.errors import InvalidArgument
from darq.log import Log
from darq.step import Step

_CLIENT = b""  # the partition of steps that belong to no object


class Posted:
    """The messages that came under a request id, of one log."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def find(self, call: Call, envelope: Envelope) -> str | None:
        """The id of the message that is stored under the call's request id. InvalidArgument if it is another."""
        if call.request is None:
            return None
        log = self._log
        found = log.requests.find(_CLIENT, call.request.encode(), int(log.clock() * 1000), log.group)
        if found is None:
            return None
        if found.fingerprint != _fingerprint(envelope):
            raise InvalidArgument(f"the request id {call.request!r} was used for another message: take a new one")
        return found.outcome.decode()

    def record(self, call: Call, envelope: Envelope, step: Step, message_id: str) -> None:
        """Let the step that stores the message record its id."""
        if call.request is not None:
            now_ms = int(self._log.clock() * 1000)
            fingerprint = _fingerprint(envelope)
            self._log.requests.record(step, call.request.encode(), fingerprint, message_id.encode(), now_ms)


def _fingerprint(envelope: Envelope) -> bytes:
    return blake2b(envelope.partition + b"\x00" + envelope.payload(), digest_size=16).digest()
