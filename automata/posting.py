"""One-way messages from outside, and the cancelling of those that are due later: each is a step of its own.

A message from outside is stored before it is acknowledged, and counts towards the bound of the inbox.
"""

from __future__ import annotations

from dataclasses import dataclass

from automata.envelope import Envelope
from automata.errors import Overloaded
from automata.host import Host
from automata.posted import Posted
from darq.step import Step


@dataclass(frozen=True, slots=True)
class Due:
    """When a message is due, in milliseconds since the epoch, and how it repeats: see `automata.when`."""

    ms: int
    rule: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A message from outside. lsn: its number if it goes at once, else 0; group: what it is durable with."""

    id: str
    lsn: int
    group: int


class Posting:
    """Stores what clients of one host send."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._posted = Posted(host.log)

    def store(self, envelope: Envelope, size: int, request: bytes | None, due: Due | None) -> Stored:
        """Stage a message. Under a request id, repeats are one. Raises Overloaded, StorageFull, InvalidArgument."""
        host = self._host
        host.admit()
        if request is not None:
            known = self._posted.find(request, envelope)
            if known is not None:
                return Stored(known, int(known) if due is None else 0, self._staged())
        step = Step(envelope.partition, b"")
        if due is not None:
            timing = host.timing()
            message_id = timing.add(envelope, due.ms, due.rule, host.take_lsn())
            timing.stage(step)
            self._posted.record(request, envelope, step, message_id)
            return Stored(message_id, 0, self._commit(step))
        self._check_inbox()
        self._posted.record(request, envelope, step, str(host.log.next_lsn))
        step.send(envelope)
        group = self._commit(step, size)
        return Stored(str(envelope.lsn), envelope.lsn, group)

    def cancel(self, message_id: str, request: bytes | None) -> tuple[bool | None, int]:
        """Stage the cancelling; whether the message is never delivered, and the group that this is durable with.

        None if another store may know.
        """
        host, timing = self._host, self._host.timing()
        if request is not None and self._posted.was_cancelled(request, message_id):
            return True, self._staged()
        pending = timing.is_pending(message_id)
        if not pending:
            return pending, self._staged()
        host.admit()
        step = Step(b"", b"")
        timing.cancel(message_id, hold=False)
        timing.stage(step)
        if request is not None:
            self._posted.record_cancelled(request, message_id, step)
        return True, self._commit(step)

    def _check_inbox(self) -> None:
        log = self._host.log
        waiting = log.inbox.size(log.group)
        if waiting >= log.limits.inbox_messages_max:
            raise Overloaded(f"about {waiting} messages wait to be delivered: send again when some were")

    def _staged(self) -> int:
        """The group that all depends on which is known now."""
        group = self._host.log.group
        return group.number if group.dirty else group.number - 1

    def _commit(self, step: Step, size: int | None = None) -> int:
        host = self._host
        group = host.log.commit(step, size)
        if host.log.full:
            host.committer.close_full_group()
        host.committer.touch()
        return group
