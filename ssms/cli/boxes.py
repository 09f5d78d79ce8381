"""What needs a person in a store that nobody holds: changed with nothing running over it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from automata.interrupted_box import InterruptedBox
from automata.keyed import Keyed
from automata.letter_box import LetterBox
from automata.open_invocations import OpenInvocations
from automata.parking import Parking
from automata.work import Reply, Work
from darq import RocksStore
from darq.log import Log
from ssms.cli.reading import reading


@dataclass(frozen=True)
class Boxes:
    """Dead letters and interrupted methods, by their ids."""

    letters: LetterBox
    interrupted: InterruptedBox

    def ids(self) -> list[str]:
        """All of them."""
        return [
            *(letter.id for letter in self.letters.letters()),
            *(str(journal.number) for journal in self.interrupted.waiting()),
        ]

    def number(self, identifier: str) -> int | None:
        """The number of the method of this id; None if it is a letter's."""
        found = identifier.isdecimal() and self.interrupted.is_waiting(int(identifier))
        return int(identifier) if found else None


@contextmanager
def opened(folder: Path) -> Iterator[Boxes]:
    """The boxes of a store; what the block changes is durable behind it. Raises StorePathError and StoreLocked."""
    with reading(folder):
        pass  # it is there: opening it for changes would make one
    store = RocksStore(folder)
    try:
        log = Log(store)
        killed = log.was_killed
        log.admit()
        unfinished = OpenInvocations(log)
        interrupted = InterruptedBox(log, unfinished, Keyed(log, unfinished, _never))
        yield Boxes(LetterBox(log, Parking(log, log.clock)), interrupted)
        if log.group.dirty:
            log.commit_now()
        if not killed:
            log.close()  # else the next life has to know that an earlier one was killed
    finally:
        store.close()


def _never(work: Work) -> Reply:
    raise AssertionError("nothing runs over this store")
