"""The hosts of other stores that have asked here: of each store the newest epoch under which one did.

    LEADER  store -> epoch

A host lets an outcome be forgotten that its predecessor has asked for too. What the predecessor has sent may still be
on its way, for any time, and would happen again, so nothing of a host is looked at once a newer one of its store was
heard. An object that moves takes this along: to where it goes, such a batch may be on its way as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from automata.asking import epoch_of, store_of
from darq import keys
from darq.log import Log
from darq.step import Step

Known = Iterable[tuple[bytes, int]]


class Leaders:
    """What one host has heard, also in its earlier lives. touch: has the group closed that a step has gone into."""

    def __init__(self, log: Log, touch: Callable[[], None]) -> None:
        self._log = log
        self._touch = touch
        self._epochs = {key[1:]: keys.number_of(data) for key, data in log.rows(keys.LEADER)}

    def superseded(self, client: bytes) -> bool:
        """Whether a client is a host, and a newer one of its store was heard. The newest is noted, by a step."""
        store = store_of(client)
        if not store:
            return False
        epoch, newest = epoch_of(client), self._epochs.get(store, 0)
        if epoch > newest:
            step = Step(b"", b"")
            self.learn(step, [(store, epoch)])
            self._log.commit(step)
            self._touch()
        return epoch < newest

    def known(self) -> list[tuple[bytes, int]]:
        """Stores, each with its newest epoch."""
        return list(self._epochs.items())

    def learn(self, step: Step, known: Known) -> None:
        """Let `step` note what another host has heard."""
        for store, epoch in known:
            if epoch > self._epochs.get(store, 0):
                self._epochs[store] = epoch
                step.set_row(keys.LEADER + store, keys.number(epoch))
