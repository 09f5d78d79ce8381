"""How long and how much replication waits, with the unit last in each name."""

from dataclasses import dataclass

LEASE_TRUSTED = 0.98
"""How much of a lease its holder uses: clocks of two machines do not run at quite the same rate."""


@dataclass(frozen=True)
class Options:
    """The same for all copies of a store; `lease_seconds` must be.

    lease_seconds: how long a backup waits, after its last acknowledgement, before it leads or is gone on without.
    heartbeat_seconds: how often an idle primary renews its leases.
    ack_seconds_max: after so long without an answer a backup is dropped: longer than an overloaded machine stands
    still. A single call waits for half of that. gone_seconds_max: the same where calls fail at once, as to a process
    that has died: longer than it takes to start anew.
    retry_seconds: the pause after a call that failed; away_seconds: the same, to a copy that is not in sync.
    lag_bytes_max: the primary closes no further group while groups of this size wait for some backup.
    recent_bytes_max: how much of the latest groups is kept, for a copy that comes back.
    call_bytes_max: groups in one call; chunk_bytes, chunk_rows: rows in one call to a copy that is copied anew.
    wal_bytes_max: what a copy that is being copied writes to one log file.
    min_in_sync: copies, with the primary, that must hold a group. With 1, the primary may go on alone once the catalog
    has removed the others.
    """

    lease_seconds: float = 1.0
    heartbeat_seconds: float = 0.25
    ack_seconds_max: float = 2.5
    gone_seconds_max: float = 1.0
    retry_seconds: float = 0.02
    away_seconds: float = 0.25
    lag_bytes_max: int = 8 << 20
    recent_bytes_max: int = 32 << 20
    call_bytes_max: int = 4 << 20
    chunk_bytes: int = 256 << 10
    chunk_rows: int = 1000
    wal_bytes_max: int = 16 << 20
    min_in_sync: int = 1

    @property
    def trusted_seconds(self) -> float:
        """How long whoever was granted a lease relies on it."""
        return self.lease_seconds * LEASE_TRUSTED
