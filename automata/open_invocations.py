"""Methods that have committed a part and have not finished. What is found here when a store opens was interrupted.

The row is set by the first part's step and dropped by the last one's, so a method that suspends and ends within one
group leaves nothing on disk. Its journal will lie below it.
"""

from __future__ import annotations

from automata.envelope import OpenInvocation, decode_open, encode_open
from automata.errors import Interrupted
from automata.partitions import address_of
from automata.work import Work
from darq import keys
from darq.log import Log
from darq.step import Step


class OpenInvocations:
    """The unfinished invocations of one store. interrupted: those of an earlier life, by number."""

    def __init__(self, log: Log) -> None:
        self._log = log
        rows = log.store.scan(keys.INVOCATION, keys.after(keys.INVOCATION), keys.ALL)
        self.interrupted = {keys.number_of(key): decode_open(data) for key, data in rows}
        self._by_request = {(row.partition, row.request): n for n, row in self.interrupted.items() if row.request}

    def add(self, work: Work, step: Step) -> int:
        """The first part of `work` commits with `step`. Returns its number."""
        number = self._log.take_lsn()
        request = work.request
        row = OpenInvocation(
            work.entity.partition,
            work.method.name,
            work.method.encode_arguments(work.packed),
            request.key if request else b"",
            request.fingerprint if request else b"",
            int(self._log.clock() * 1000),
        )
        step.set_row(keys.numbered(keys.INVOCATION, number), encode_open(row))
        return number

    def drop(self, number: int, step: Step) -> None:
        """The method of this number ends with `step`."""
        step.set_row(keys.numbered(keys.INVOCATION, number), None)

    def check(self, partition: bytes, request: bytes) -> None:
        """Raise Interrupted for the key of an interrupted method: it must not run a second time."""
        number = self._by_request.get((partition, request))
        if number is None:
            return
        type_name, key = address_of(partition)
        raise Interrupted(
            f"{type_name}/{key} {self.interrupted[number].method} was interrupted after it had committed a part "
            f"(number {number} in app.interrupted()): its later parts did not happen, and it is not run again"
        )

    def discard(self, number: int, step: Step) -> None:
        """Forget an interrupted method with `step`."""
        row = self.interrupted.pop(number)
        self._by_request.pop((row.partition, row.request), None)
        step.set_row(keys.numbered(keys.INVOCATION, number), None)

    def discard_now(self, number: int) -> None:
        """Forget an interrupted method, as a step of its own."""
        step = Step(b"", b"")
        self.discard(number, step)
        self._log.commit(step)
