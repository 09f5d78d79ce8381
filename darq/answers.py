"""Outcomes of requests whose askers say when they have them: few at a time, in memory, and one row a group.

    record -> stage: the group's row -> forget: when all in a row are forgotten, it is dropped

A request that no user has given an id is asked again only until its answer has come, and then forgotten by its id
(`forget`). So these are not rows of their own, with a time to expire, as those of `darq.requests`: most are forgotten
while the next group is open. Whoever never says that it has its answers costs a row for `kept_ms`. What is asked again
however long its asker is away is lasting: that is kept for `lasting_ms`.
"""

from collections.abc import Callable, Iterator

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
    """The outcomes that one store keeps until they are forgotten. kept_ms: for how long at most; lasting_ms: the same
    of those that are lasting, by their ids.
    """

    def __init__(self, store: Store, kept_ms: int, lasting_ms: int = 0) -> None:
        self.lasting: Callable[[bytes], bool] = _none_is
        self._kept_ms = kept_ms
        self._lasting_ms = lasting_ms
        self._late: dict[
            int, tuple[int, set[bytes]]
        ] = {}  # as `_left`, of those in which only lasting ones count still
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
        rows = self._late if known[1] in self._late else self._left
        left = rows.get(known[1])
        if left is None:
            return  # its group is still open
        left[1].discard(request)
        if not left[1]:
            del rows[known[1]]
            self._dropped.append(known[1])

    def stage(self, group: Group, now_ms: int) -> None:
        """The group is about to be written: put its row into it, and drop those that nobody needs."""
        for number, made_ms, requests in _older(self._left, now_ms - self._kept_ms):
            lasting = set(filter(self.lasting, requests))
            self._drop(number, requests - lasting)
            if lasting:
                self._late[number] = made_ms, lasting
            else:
                self._dropped.append(number)
        for number, _, requests in _older(self._late, now_ms - self._lasting_ms):
            self._drop(number, requests)
            self._dropped.append(number)
        recorded, self._open = self._open, []
        kept = [answer for answer in recorded if answer.request in self._known]
        if kept:
            self._left[group.number] = now_ms, {answer.request for answer in kept}
            group.rows[keys.numbered(keys.ANSWERS, group.number)] = _encode(_Row(now_ms, kept))
        for number in self._dropped:
            group.rows[keys.numbered(keys.ANSWERS, number)] = None
        self._dropped.clear()

    def _drop(self, number: int, requests: set[bytes]) -> None:
        """The time of these in the row of a group is over."""
        for request in requests:
            if self._known.get(request, _NOTHING)[1] == number:  # else it has come again, with its object
                del self._known[request]


def _older(rows: dict[int, tuple[int, set[bytes]]], until_ms: int) -> Iterator[tuple[int, int, set[bytes]]]:
    """Take out, and give, the rows from the first on that were made by then."""
    while rows:
        number, (made_ms, requests) = next(iter(rows.items()))
        if made_ms > until_ms:
            return
        del rows[number]
        yield number, made_ms, requests


def _none_is(request: bytes) -> bool:
    """Nothing lasts, where nobody says what does."""
    return False


_NOTHING = (None, -1)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Row).decode
