"""What one process has asked of an object behind its own messages to it, until those have been taken.

A message that was sent to and fro, because its object moves, may come late: nothing that was asked after it leaves
before it was answered, but in the same batch, which a host takes in order, or refuses from the message on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from automata.asking import POST
from ssms.lane import Asked


class Lines:
    """Of each object, the messages of one process that were not answered, and what waits for them."""

    def __init__(self) -> None:
        self._last: dict[bytes, Asked] = {}  # by object: its last message that was not answered
        self._waiting: dict[bytes, list[Asked]] = {}

    def join(self, asked: Asked) -> None:
        """It is asked now."""
        ask = asked.ask
        if not ask.behind:
            return
        asked.before = self._last.get(ask.partition)
        if ask.kind == POST:
            self._last[ask.partition] = asked

    def early(self, asked: Asked, batch: Collection[int]) -> bool:
        """Whether a message before it was not answered, and does not go along in a batch of these tags."""
        before = asked.before = _unanswered(asked.before)
        return before is not None and before.tag not in batch

    def wait(self, asked: Asked) -> None:
        """It may leave when the messages before it were answered."""
        self._waiting.setdefault(asked.ask.partition, []).append(asked)

    def leave(self, asked: Asked) -> list[Asked]:
        """It is over. Returns what has waited for that, in the order in which it was asked."""
        asked.over = True
        if not asked.ask.behind or asked.ask.kind != POST:
            return []
        partition = asked.ask.partition
        asked.before = _unanswered(asked.before)
        if self._last.get(partition) is asked:
            del self._last[partition]
            if asked.before is not None:
                self._last[partition] = asked.before
        return sorted(self._waiting.pop(partition, ()), key=_tag)

    def close(self) -> Iterator[Asked]:
        """Nothing leaves any more: all that waits."""
        waiting, self._waiting = self._waiting, {}
        for line in waiting.values():
            yield from line


def _unanswered(asked: Asked | None) -> Asked | None:
    """The last message up to this one that was not answered."""
    while asked is not None and asked.over:
        asked = asked.before
    return asked


def _tag(asked: Asked) -> int:
    return asked.tag
