"""Bounds on everything that the log holds, with the unit last in each name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one store. The defaults suit a machine with a local disk and a few GiB of memory.

    deliveries_running_max: how many methods that came as messages may have been begun, or wait for their busy objects,
    and have neither ended nor committed a part. At this bound messages stay in the inbox, whomever they are for. Behind
    its first commit point a method takes no place any more, however long it sleeps: it has consumed its message, and
    has a journal. One that waits for anything else keeps its place meanwhile.
    inbox_messages_max: about how many messages may wait in the inbox for those from outside to be taken; what methods
    send is always taken. Timers, and messages that are parked because they have failed, do not count.
    request_seconds_kept: how long an outcome is kept for whoever asks again. nested_seconds_kept: the same where a
    method of another store asks, which may be away for days: at most, as it says when it needs the outcome no more.
    journal_bytes_max: about what a method may keep of its reads and of what it has awaited, until it ends.
    """

    group_steps_max: int = 1024
    group_bytes_max: int = 1 << 20
    group_work_seconds_max: float = 0.002
    key_bytes_max: int = 512
    message_bytes_max: int = 4 << 20
    value_bytes_max: int = 16 << 20
    step_bytes_max: int = 64 << 20
    inbox_window_messages_max: int = 20_000
    inbox_messages_max: int = 10_000_000
    deliveries_running_max: int = 10_000
    history_bytes_max: int = 16 << 20
    wal_bytes_max: int = 16 << 20
    free_bytes_reserve: int = 64 << 20
    free_check_seconds: float = 0.25
    inline_flush_seconds_max: float = 0.0005
    lane_batch_messages_max: int = 1024
    lane_batch_bytes_max: int = 1 << 20
    request_seconds_kept: float = 24 * 3600.0
    nested_seconds_kept: float = 30 * 24 * 3600.0
    outside_calls_max: int = 100_000
    journal_bytes_max: int = 64 << 20
