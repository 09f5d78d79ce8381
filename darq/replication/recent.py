"""The latest groups of a chain, for copies that lag behind or come back, and for whoever leads next."""

from darq.replication.chain import Head
from darq.replication.entry import Entry


class Recent:
    """Groups in order, bounded by bytes. base: the head before the oldest one kept; head: the newest."""

    def __init__(self, head: Head, bytes_max: int) -> None:
        self.base = self.head = head
        self._bytes_max = bytes_max
        self._entries: dict[int, Entry] = {}
        self._ends: dict[int, int] = {}  # bytes of the chain up to and with a group, since this began
        self._end = self._begin = 0

    def add(self, entry: Entry) -> None:
        """Take the next group."""
        self._end += len(entry.operations)
        self._entries[entry.group] = entry
        self._ends[entry.group] = self._end
        self.head = entry.head

    def trim(self, held_by_all: int) -> None:
        """Forget the oldest groups over the bound, as far as nobody waits for them."""
        while self._end - self._begin > self._bytes_max and self.base.group < min(held_by_all, self.head.group):
            group = self.base.group + 1
            self.base = self._entries.pop(group).head
            self._begin = self._ends.pop(group)

    def holds(self, head: Head) -> bool:
        """Whether `head` is on this chain, not further back than what is kept: then `after` leads on from it."""
        entry = self._entries.get(head.group)
        return head == self.base if entry is None else head == entry.head

    def after(self, group: int, bytes_max: int) -> list[Entry]:
        """The groups behind `group`, as many as fit, but one at least."""
        found: list[Entry] = []
        size = 0
        while (entry := self._entries.get(group + 1 + len(found))) is not None:
            size += len(entry.operations)
            if found and size > bytes_max:
                break
            found.append(entry)
        return found

    def bytes_after(self, group: int) -> int:
        """How much lies behind `group`."""
        return self._end - self._ends.get(group, self._begin if group <= self.base.group else self._end)
