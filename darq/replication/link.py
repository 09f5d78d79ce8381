"""One backup as its primary sees it. Decides what to send and what an answer means; sends nothing itself."""

import asyncio
from enum import Enum, auto

from darq.replication.chain import Head
from darq.replication.messages import Reply
from darq.replication.recent import Recent


class Standing(Enum):
    """What a backup is to its primary."""

    AWAY = auto()  # not in sync, and not answering
    JOINING = auto()  # it catches up, or is copied anew
    COUNTED = auto()  # nothing is released without it
    LEAVING = auto()  # as COUNTED, while the catalog removes it, and until its leases have run out


class Link:
    """What is known of one backup. Its leases are also written by the thread that renews them."""

    def __init__(self, name: str, standing: Standing) -> None:
        self.name = name
        self.standing = standing
        self.acked = -1  # the highest group on its disk; -1 while it is not known to be on the primary's chain
        self.cursor: bytes | None = None  # of a copy that is copied: the first key it lacks
        self.judged: Head | None = None  # its head, if it has to be copied anew
        self.renewed = float("-inf")  # when the last message was sent that it has acknowledged
        self.heard_at = float("-inf")  # when its last acknowledgement came
        self.stamp = 0.0  # the same by its own clock
        self.eager = False
        self.told = 0  # the highest released group that it was told of
        self.silent_seconds = 0.0  # how long it has not answered, while this process could have heard it
        self.gone = False  # its last call has failed at once, as if there were no process
        self._silent_at: float | None = None
        self.wanted = True
        self.wake = asyncio.Event()
        self.adding: asyncio.Task[None] | None = None

    @property
    def counts(self) -> bool:
        """Whether groups and leases need it."""
        return self.standing in {Standing.COUNTED, Standing.LEAVING}

    @property
    def lags(self) -> bool:
        """Whether groups are kept for it, and none is closed while too many are."""
        return self.counts or (self.standing is Standing.JOINING and self.acked >= 0)

    def due(self, recent: Recent, released: int) -> bool:
        """Whether there is something to say."""
        if self.judged is not None or self.cursor is not None:
            return True
        return self.acked >= 0 and (self.acked < recent.head.group or (self.eager and self.told < released))

    def unanswered(self, sent_at: float, now: float, seconds_max: float) -> bool:
        """A call of `sent_at` was not answered. Whether that has lasted for `seconds_max` by now.

        One call counts for half of that at most: where the event loop itself stood still, nobody could be heard.
        """
        since = sent_at if self._silent_at is None else self._silent_at
        self._silent_at = now
        self.silent_seconds += min(now - since, seconds_max / 2)
        return self.silent_seconds >= seconds_max

    def answered(self) -> None:
        """A call was answered."""
        self.silent_seconds, self._silent_at, self.gone = 0.0, None, False

    def renew(self, reply: Reply, sent_at: float, now: float) -> None:
        """An acknowledgement came of what was sent at `sent_at`."""
        self.renewed = max(self.renewed, sent_at)
        if self.standing is not Standing.LEAVING:  # its leases run out
            self.heard_at, self.stamp = now, max(self.stamp, reply.stamp)

    def place(self, reply: Reply, recent: Recent) -> bool:
        """Find the backup on the chain. False if it cannot go on from where it is: it must be copied anew.

        If it counts, it must leave before.
        """
        head = Head(*reply.head)
        fits = recent.holds(head)
        if self.counts:
            fits = fits and reply.cursor is None and head.group >= self.acked
        self.eager = reply.eager
        self.judged = None if fits else head
        self.acked = head.group if fits else -1
        self.cursor = reply.cursor if fits else None
        return fits
