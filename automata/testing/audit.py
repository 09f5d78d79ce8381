"""What must hold whatever fails: checked on each batch that becomes durable, and on each answer that a client gets."""

from __future__ import annotations

from collections.abc import Callable

from automata.partitions import address_of
from automata.testing.groups import deletes, puts
from darq import keys
from darq.codec import Recorded
from darq.memory import MemoryBatch

Durable = Callable[[bytes], bytes | None]
"""Reads a row as a crash would leave it."""


class Audit:
    """Finds what no failure excuses. violations: what was found, in sentences."""

    def __init__(self) -> None:
        self.violations: list[str] = []

    def hardened(self, batch: MemoryBatch, durable: Durable, kept_ms: int) -> None:
        """A batch is about to become durable. kept_ms: how long outcomes of requests are kept."""
        for key, data in puts(batch, keys.REQUEST):
            before = durable(key)
            if before is not None and Recorded.decode(before).due_ms > Recorded.decode(data).due_ms - kept_ms:
                self.violations.append(f"the outcome of {_request(key)} was recorded a second time: it ran twice")
        for key in deletes(batch, keys.INBOX):
            if durable(key) is None:
                self.violations.append(f"message {keys.number_of(key)} was consumed twice, or was never stored")

    def answered(self, what: str, partition: bytes, request: bytes, durable: Durable) -> None:
        """A client was told the outcome of what it had asked under a request id."""
        if durable(keys.partition_key(keys.REQUEST, partition) + request) is None:
            self.violations.append(f"{what} was acknowledged, and a crash at that moment would have lost it")

    def differ(self, what: str, one: object, other: object) -> None:
        """The same request was made twice, and this is what it was told."""
        if one != other:
            self.violations.append(f"{what} was answered with {one!r}, and the same request again with {other!r}")

    def check(self) -> None:
        """Raise AssertionError if anything was found."""
        if self.violations:
            raise AssertionError("; ".join(self.violations))


def _request(key: bytes) -> str:
    partition, request = keys.split_partition(key)
    type_name, name = address_of(partition)
    return f"request {request!r} to {type_name}/{name}"
