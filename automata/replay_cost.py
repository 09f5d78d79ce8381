"""When a checkpoint pays: replaying what was recorded since the last one must not take much longer than reading it.

So what is written for checkpoints stays a part of what is written for records, and recovery takes a bounded time: that
of reading the snapshot, and some times as much. The rates were measured with `benchmarks.automata`.
"""

RECORD_US = 3.0
RECORD_BYTES_PER_US = 100.0
SNAPSHOT_BYTES_PER_US = 50.0
REPLAY_US_MIN = 3_000.0
SNAPSHOTS = 2.0


def due(records: int, record_bytes: int, snapshot_bytes: int) -> bool:
    """Whether to write a checkpoint, after so many records since the last one, which took `snapshot_bytes`."""
    cost = _replay_us(records, record_bytes)
    return cost >= REPLAY_US_MIN and cost >= SNAPSHOTS * snapshot_bytes / SNAPSHOT_BYTES_PER_US


def snapshot_worth(records: int, record_bytes: int) -> int:
    """The bytes of the largest snapshot that such a replay would be worth."""
    return int(_replay_us(records, record_bytes) * SNAPSHOT_BYTES_PER_US / SNAPSHOTS)


def _replay_us(records: int, record_bytes: int) -> float:
    return records * RECORD_US + record_bytes / RECORD_BYTES_PER_US
