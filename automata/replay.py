"""Runs a method again over its journal, and notices where its code does something else than it did."""

from __future__ import annotations

from automata.journal import Await, Draw, Drawn, Journal, JournalMismatch, Part
from automata.reads import Replayed


class Replay:
    """The place in the journal that a method which is run again has come to. failed: the mismatch, if there was one."""

    def __init__(self, journal: Journal, name: str) -> None:
        self.failed: JournalMismatch | None = None
        self._parts = journal.parts
        self._name = name
        self._at = 0
        self._drawn = 0

    @property
    def over(self) -> bool:
        """Whether all that is in the journal was done again."""
        return self._at >= len(self._parts)

    @property
    def part(self) -> Part:
        """The part that is being done again."""
        return self._parts[self._at]

    def reader(self) -> Replayed:
        """The object as this part has read it."""
        return Replayed(self.part.reads, lambda subkey: self.mismatch(f"reads {_field(subkey)}, which it had not read"))

    def draw(self, what: str) -> Drawn:
        """What was drawn here. what: the function that the code asks."""
        draws = self.part.draws
        expected: Draw | None = draws[self._drawn] if self._drawn < len(draws) else None
        if expected is None or expected[0] != what:
            had = f"had asked for {expected[0]}()" if expected else "had asked for nothing more"
            raise self.mismatch(f"asks for {what}() as number {self._drawn + 1} of the part, where it {had}")
        self._drawn += 1
        return expected[1]

    @property
    def number(self) -> int:
        """Of the part that is being done again."""
        return self._at

    def finish_part(self, awaited: Await, fingerprint: int) -> int:
        """The code awaits something: that must be what ended this part. Returns the part's number."""
        part = self.part
        if (awaited.kind, awaited.targets) != (part.awaited.kind, part.awaited.targets):
            raise self.mismatch(f"awaits {awaited}, where it had awaited {part.awaited}")
        other = awaited.other_argument(part.awaited)
        if other is not None:
            raise self.mismatch(f"awaits {awaited} with another value of {other}")
        if self._drawn < len(part.draws):
            raise self.mismatch(f"awaits {awaited} without asking for {part.draws[self._drawn][0]}() before")
        if fingerprint != part.fingerprint:
            raise self.mismatch(f"has changed or sent something else before it awaits {awaited}")
        self._at += 1
        self._drawn = 0
        return self._at - 1

    def ended(self, how: str) -> JournalMismatch:
        """The code ended amid its journal."""
        return self.mismatch(f"{how}, where it had awaited {self.part.awaited}")

    def mismatch(self, what: str) -> JournalMismatch:
        """The error for code that differs from what is in the journal. what: what it does instead."""
        if self.failed is None:
            place = f"part {self._at + 1} of {len(self._parts)}"
            self.failed = JournalMismatch(f"{self._name} no longer fits its journal: in {place} the code {what}")
        return self.failed


def _field(subkey: bytes) -> str:
    return repr(subkey.partition(b"\x00")[0].decode(errors="replace"))
