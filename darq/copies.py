"""What a log needs to know of the copies of its store: its groups are released once they hold them too.

Implemented by `darq.replication`; a log without copies has none of it.
"""

from collections.abc import Callable
from typing import Protocol


class Copies(Protocol):
    """The other copies of a store, as its log and its committer see them."""

    @property
    def full(self) -> bool:
        """Whether some copy lags so far behind that no further group may be closed."""

    def bind(
        self, settle: Callable[[int], None], fail: Callable[[BaseException], object], room: Callable[[], None]
    ) -> None:
        """Take what to call: `settle(group)` when all hold it, `fail(error)` when this log may not write any more,
        `room()` when it is no longer full."""

    def flushed(self, group: int) -> None:
        """All groups up to `group` are durable in the log's own store."""
