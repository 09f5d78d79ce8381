"""What this store has decided about the transactions that it began: a row for each that is committed, until all stores
that it changes have applied it. Of what has no row and does not run, nothing ever happens (presumed abort).

    decided = the identities of those stores, 16 bytes each
"""

from __future__ import annotations

from collections.abc import Sequence

from automata.span import COMMIT, STORE_BYTES, Decision, epoch_of, message, new_id
from darq import keys
from darq.errors import StoreClosed
from darq.log import Log
from darq.step import Step


class Decisions:
    """The transactions of one store. epoch: under which its host leads it."""

    def __init__(self, log: Log, epoch: int) -> None:
        self._log = log
        self._epoch = epoch
        self._begun = 0
        self._open: set[bytes] = set()

    def begin(self) -> bytes:
        """The id of a try of a transaction, which is open until it has ended."""
        self._begun += 1
        transaction = new_id(self._log.store.identity(), self._epoch, self._begun)
        self._open.add(transaction)
        return transaction

    def end(self, transaction: bytes) -> None:
        """It is decided: by its row, or it is aborted."""
        self._open.discard(transaction)

    def commit(self, transaction: bytes, stores: Sequence[bytes]) -> Step:
        """The step that commits it, with those of its group; the stores are told once that is durable."""
        step = Step(b"", b"")
        step.set_row(keys.DECIDED + transaction, b"".join(stores))
        for store in stores:
            step.send_to_store(store, message(transaction, COMMIT))
        return step

    def of(self, transaction: bytes) -> Decision:
        """What became of it. Raises StoreClosed if a later host of this store has begun it, and knows."""
        if epoch_of(transaction) > self._epoch:
            raise StoreClosed("another host leads this store by now")
        if transaction in self._open:
            return Decision.OPEN
        decided = self._log.row(keys.DECIDED + transaction) is not None
        return Decision.COMMITTED if decided else Decision.ABORTED

    def applied(self, transaction: bytes, store: bytes, step: Step) -> None:
        """A store has applied it: let `step` note that, and forget the transaction when all have."""
        row = keys.DECIDED + transaction
        left = self._log.row(row) or b""
        stores = [left[at : at + STORE_BYTES] for at in range(0, len(left), STORE_BYTES)]
        if store in stores:
            stores.remove(store)
            step.set_row(row, b"".join(stores) or None)
