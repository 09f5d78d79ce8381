"""Putting an object that has come from another store into this one, by one step (SSMS §4.2).

Its rows get numbers of this store's log, in the order that they had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from automata.absent_types import BROUGHT
from automata.bundle import Bundle
from automata.checkpoint import COVERED
from automata.delivery import Delivery
from automata.directory import decode_header
from automata.envelope import decode_open
from automata.journal import Journal
from automata.leaders import Leaders
from automata.parking import row_key
from automata.partitions import address_of
from automata.resuming import Resuming
from darq import keys
from darq.codec import Cause, Parked
from darq.overlay import Overlay
from darq.step import Answer, Step

if TYPE_CHECKING:
    from automata.host import Host


@dataclass(frozen=True)
class Arrived:
    """What begins once the step is in the log. retried: rows of messages that have failed; waiting: the numbers of
    others, which are parked before all that comes later; journals: methods that go on."""

    retried: list[tuple[bytes, Parked]]
    waiting: list[int]
    journals: list[Journal]


class Arrival:
    """Puts objects into one store."""

    def __init__(self, host: Host, delivery: Delivery, resuming: Resuming, leaders: Leaders) -> None:
        self._host = host
        self._leaders = leaders
        self._log = host.log
        self._delivery = delivery
        self._resuming = resuming

    def put(self, step: Step, bundle: Bundle) -> Arrived:
        """Let `step` hold what the bundle does."""
        self._leaders.learn(step, bundle.leaders)
        self._put_state(step, bundle)
        for payload in bundle.records:
            step.record(payload)
        for key, row in bundle.requests:
            self._log.requests.adopt(step, key, row)
        step.answers = [Answer(request, step.partition, outcome) for request, outcome in bundle.answers]
        opened = self._host.open_invocations
        journals = [opened.adopt(decode_open(s.invocation), s.parts, s.answers) for s in bundle.suspended]
        return Arrived(self._put_parked(step, bundle), self._put_messages(step, bundle), journals)

    def begin(self, partition: bytes, arrived: Arrived) -> None:
        """The step is in the log: what was under way goes on."""
        self._host.entities.drop(address_of(partition))
        self._resuming.adopt(arrived.journals)
        self._delivery.adopt(arrived.retried, arrived.waiting, partition)

    def _put_state(self, step: Step, bundle: Bundle) -> None:
        overlay = step.overlay = Overlay()
        overlay.writes.update(bundle.state)
        if COVERED in overlay.writes:  # its records are numbered anew, all above what its checkpoint covers
            overlay.writes[COVERED] = keys.number(self._log.next_lsn - 1)
        if bundle.header is None:
            return
        step.set_row(keys.partition_key(keys.DIRECTORY, step.partition), bundle.header)
        if decode_header(bundle.header).changed_ms:
            self._host.stage.lifetimes.arm(step, step.partition, int(self._log.clock() * 1000))

    def _put_parked(self, step: Step, bundle: Bundle) -> list[tuple[bytes, Parked]]:
        retried = []
        for cause, data in bundle.parked:
            key, parked = row_key(Cause(cause), self._log.take_lsn()), Parked.decode(data)
            step.set_row(key, data)
            if parked.cause is Cause.RETRY:
                retried.append((key, parked))
        return retried

    def _put_messages(self, step: Step, bundle: Bundle) -> list[int]:
        """As if their type was not known until now: then they are delivered before all that comes later."""
        numbers = []
        for payload in bundle.messages:
            parked = Parked(Cause.UNKNOWN_TYPE, 0, 0, BROUGHT, step.partition, payload)
            numbers.append(self._log.take_lsn())
            step.set_row(row_key(Cause.UNKNOWN_TYPE, numbers[-1]), parked.encode())
        return numbers
