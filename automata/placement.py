"""Where objects live, as one host of several knows it. An embedded host has no placement: everything lives in it."""

from __future__ import annotations

from typing import Protocol


class Placement(Protocol):
    """What a host asks before it runs or sends anything (SSMS §3.3: slots, stubs and guests)."""

    def store_of(self, partition: bytes) -> bytes | None:
        """The identity of the other store that it lives in; None if the object lives here."""

    def route_of(self, partition: bytes) -> bytes | None:
        """The other store that messages to it go to, which may pass them on; None if they begin in this one."""

    def has_given(self) -> bool:
        """Whether timers that were set here may be in other stores."""

    def expects(self) -> bool:
        """Whether timers may be on their way here."""
