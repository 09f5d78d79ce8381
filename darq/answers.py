"""Outcomes of requests whose askers say when they have them: few at a time, in memory, and one row a group.

    record -> stage: the group's row -> forget: when all in a row are forgotten, it is dropped

A request that no user has given an id is asked again only until its answer has come, and then forgotten by its id
(`forget`). So these are not rows of their own, with a time to expire, as those of `darq.requests`: most are forgotten
while the next group is open. Whoever never says that it has its answers costs a row for `kept_ms`.
"""

from collections.abc import Iterator

import msgspec

from darq import keys
from darq.group import Group
from darq.step import Answer
from darq.store import Store


class _Row(msgspec.Struct, array_like=True):
    """The outcomes that were recorded in one group. made_ms: since the epoch."""

    made_ms: int
    answers: list[Answer]


class Answers:
    """The outcomes that one store keeps until they are forgotten. kept_ms: for how long at most."""

    def __init__(self, store: Store, kept_ms: int) -> None:
        self._kept_ms = kept_ms
        self._known: dict[bytes, tuple[Answer, int]] = {}  # with the group whose row it is in
        self._left: dict[int, tuple[int, set[bytes]]] = {}  # by group, ascending: when its row was made, what is in it
        self._open: list[Answer] = []
        self._dropped: list[int] = []
        for key, data in store.scan(keys.ANSWERS, keys.after(keys.ANSWERS), keys.ALL):
            number, row = keys.number_of(key), _decode(data)
            self._left[number] = row.made_ms, {answer.request for answer in row.answers}
            for answer in row.answers:
                self._known[answer.request] = answer, number

    def find(self, request: bytes) -> bytes | None:
        """The outcome recorded under this id."""
        known = self._known.get(request)
        return None if known is None else known[0].outcome

    def of(self, partition: bytes) -> list[Answer]:
        """All of one partition."""
        return [answer for answer, _ in self._known.values() if answer.partition == partition]

    def partitions(self) -> Iterator[bytes]:
        """Of all that there are, some more than once."""
        return (answer.partition for answer, _ in list(self._known.values()))

    def record(self, answer: Answer, group: Group) -> None:
        """A step of the open group gives this outcome."""
        self._known[answer.request] = answer, group.number
        self._open.append(answer)

    def forget(self, request: bytes) -> None:
        """Nobody asks for it any more."""
        known = self._known.pop(request, None)
        if known is None:
            return
        left = self._left.get(known[1])
        if left is None:
            return  # its group is still open
        left[1].discard(request)
        if not left[1]:
            del self._left[known[1]]
            self._dropped.append(known[1])

    def stage(self, group: Group, now_ms: int) -> None:
        """The group is about to be written: put its row into it, and drop those that nobody needs."""
        while self._left:
            number, (made_ms, requests) = next(iter(self._left.items()))
            if made_ms + self._kept_ms > now_ms:
                break
            for request in requests:
                if self._known.get(request, _NOTHING)[1] == number:  # else it has come again, with its object
                    del self._known[request]
            del self._left[number]
            self._dropped.append(number)
        recorded, self._open = self._open, []
        kept = [answer for answer in recorded if answer.request in self._known]
        if kept:
            self._left[group.number] = now_ms, {answer.request for answer in kept}
            group.rows[keys.numbered(keys.ANSWERS, group.number)] = _encode(_Row(now_ms, kept))
        for number in self._dropped:
            group.rows[keys.numbered(keys.ANSWERS, number)] = None
        self._dropped.clear()


_NOTHING = (None, -1)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Row).decode
