"""How long the next message takes in a queue that has carried millions and is empty, against one in a new store.

RocksDB steps over the tombstones of all that a queue ever carried when it is asked for the first key of the queue; the
log asks from its stored cursor. The message is read from disk, as after opening.
"""

import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from darq import Log, Message, RocksStore, keys
from darq.group import Group
from darq.inbox import Inbox

MESSAGES = 10_000_000
QUICK_MESSAGES = 300_000
IN_A_GROUP = 1024
LOOKS = 51


def carry(log: Log, messages: int) -> None:
    """Send and consume that many messages, each written before it is consumed."""
    for _ in range(messages // IN_A_GROUP + 1):
        step = log.step(b"worker")
        while (message := log.inbox.next(log.group)) is not None:
            step.consume(message)
        for _ in range(IN_A_GROUP):
            step.send(Message(b"worker", b"m" * 32))
        log.commit(step)
        log.commit_now()
    step = log.step(b"worker")
    while (message := log.inbox.next(log.group)) is not None:
        step.consume(message)
    log.commit(step)
    log.commit_now()


def next_message_ms(log: Log) -> float:
    """Milliseconds to read the one message of an otherwise empty queue from disk: the median of some looks."""
    taken = []
    for _ in range(LOOKS):
        step = log.step(b"worker")
        step.send(Message(b"worker", b"the next"))
        log.commit(step)
        cursor = log.inbox.cursor(log.next_lsn, log.group)
        log.commit_now()
        unread = Inbox(log.store, cursor, log.next_lsn, log.limits.inbox_window_messages_max)
        begun = time.perf_counter()
        message = unread.next(Group(0))
        taken.append(time.perf_counter() - begun)
        assert message is not None
        own = log.inbox.next(log.group)
        assert own is not None
        assert own.lsn == message.lsn
        step = log.step(b"worker")
        step.consume(own)
        log.commit(step)
        log.commit_now()
    return median(taken) * 1e3


def first_key_ms(log: Log) -> float:
    """Milliseconds that the same takes when the queue is searched from its first key: what the cursor saves."""
    begun = time.perf_counter()
    log.store.scan(keys.INBOX, keys.after(keys.INBOX), 1)
    return (time.perf_counter() - begun) * 1e3


def measure(quick: bool, messages: int | None = None) -> list[dict[str, Any]]:
    """The figure for a queue that has carried `messages`; the floor is that of a new store in the same run."""
    carried = messages or (QUICK_MESSAGES if quick else MESSAGES)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        log = Log(RocksStore(Path(folder) / "store"))
        new_ms = next_message_ms(log)
        carry(log, carried)
        searched_ms = first_key_ms(log)
        used_ms = next_message_ms(log)
        log.close()
    return [
        {
            "name": f"next message after {carried:,} in an empty queue (from its first key: {searched_ms:.1f} ms)",
            "value": round(used_ms, 4),
            "unit": "ms",
            "floor": round(new_ms, 4),
            "ratio": None,  # the time itself is judged; the floor shows that nothing is left of what was carried
            "must": 1.0,
            "aim": 0.1,
        }
    ]


def main(messages: Annotated[int, typer.Option(help="how many the queue carries first")] = MESSAGES) -> None:
    """Print the result as JSON."""
    print(json.dumps(measure(quick=False, messages=messages), indent=1))


if __name__ == "__main__":
    typer.run(main)
