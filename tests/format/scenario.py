"""The steps whose rows the fixture of the current format holds: at least one row of each kind that darq writes.

usage: python -m tests.format.scenario > tests/format/format_N.json, for a format that was not released yet
"""

import json
import sys

from darq import Limits, Log, MemoryStore, Message, keys
from darq.codec import FORMAT_VERSION, Cause, Parked, Timer
from darq.folder import encode_format, encode_released

RECEIVER, SENDER = bytes(range(16)), bytes(range(16, 32))
IDENTITY = bytes(range(16))
LIMITS = Limits(wal_bytes_max=100, request_seconds_kept=10.0)


def run(store: MemoryStore) -> None:
    """Two groups with a rotation between them."""
    log = Log(store, LIMITS, lambda: 1_000.0)
    step = log.step(b"a\x00b")
    step.put(b"sub", b"value")
    step.record(b"recorded")
    step.send(Message(b"other", b"first"))
    step.send(Message(b"other", b"second"))
    step.send_to_store(RECEIVER, Message(b"far", b"sent"))
    step.set_row(keys.LANE + SENDER, (7).to_bytes(8, "big"))
    log.requests.record(step, b"request", b"f" * 16, b"outcome", 1_000_000)
    log.timers.add(step, 1_000_500, log.take_lsn(), Timer(0, b"", b"other", b"once"))
    schedule = log.take_lsn()
    log.timers.add(step, 1_000_700, schedule, Timer(schedule, b"rule", b"other", b"again"))
    step.note = ("call", b"a", 1)
    log.commit(step)
    log.commit_now()
    step = log.step(b"other")
    message = log.inbox.next(log.group)
    assert message is not None
    step.consume(message)
    parked = Parked(Cause.RETRY, 1_000_100, 1, b"it raised", message.partition, message.payload())
    step.set_row(keys.PARKED + bytes([parked.cause]) + keys.number(log.take_lsn()), parked.encode())
    log.commit(step)
    log.commit_now()


def rows() -> dict[bytes, bytes]:
    """What the scenario leaves in a store."""
    store = MemoryStore()
    run(store)
    return dict(store.scan(b"", b"\xff", keys.ALL))


def fixture() -> dict[str, object]:
    """The rows, and the files beside them."""
    return {
        "released_7": encode_released(7).hex(),
        "FORMAT": encode_format(FORMAT_VERSION, IDENTITY.hex()),
        "rows": {key.hex(): value.hex() for key, value in rows().items()},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(fixture(), indent=1) + "\n")
