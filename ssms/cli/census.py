"""What a store holds, counted by type: objects, messages that wait, methods that have not finished."""

from collections import defaultdict
from dataclasses import dataclass

from automata.envelope import decode_open
from automata.partitions import address_of
from darq import keys
from darq.codec import Cause, Parked, Timer, decode_message
from ssms.cli.reading import Reader, rows_of


@dataclass
class Counts:
    """Of one type.

    inbox: messages to be delivered; timers: those that are due later, or were and are on their way; retrying: those
    whose step raised; undefined: those whose type the holder does not define; dead: those that raised too often;
    running: methods between two of their parts, which go on when the store is open; interrupted: those of them that
    wait for a person.
    """

    objects: int = 0
    inbox: int = 0
    timers: int = 0
    retrying: int = 0
    undefined: int = 0
    dead: int = 0
    running: int = 0
    interrupted: int = 0

    def add(self, cause: Cause) -> None:
        """Count one parked message."""
        match cause:
            case Cause.RETRY:
                self.retrying += 1
            case Cause.UNKNOWN_TYPE:
                self.undefined += 1
            case Cause.DEAD:
                self.dead += 1


def census(reader: Reader) -> dict[str, Counts]:
    """Counts by type name, in order. Queues are read from their stored cursors on, never from their first key."""
    store, counts = reader.store, defaultdict[str, Counts](Counts)
    for key, _ in rows_of(store, keys.DIRECTORY, keys.after(keys.DIRECTORY)):
        counts[_type(keys.split_partition(key)[0])].objects += 1
    for _, data in rows_of(store, keys.numbered(keys.INBOX, reader.head.inbox_cursor), keys.after(keys.INBOX)):
        counts[_type(decode_message(data)[0])].inbox += 1
    begin = keys.timed(keys.TIMER, reader.head.timer_cursor_ms, 0)
    for _, data in rows_of(store, begin, keys.after(keys.TIMER)):
        counts[_type(Timer.decode(data).partition)].timers += 1
    for _, data in rows_of(store, keys.PARKED, keys.after(keys.PARKED)):
        parked = Parked.decode(data)
        counts[_type(parked.partition)].add(parked.cause)
    for _, data in rows_of(store, keys.INVOCATION, keys.after(keys.INVOCATION)):
        opened = decode_open(data)
        here = counts[_type(opened.partition)]
        if opened.trouble:
            here.interrupted += 1
        else:
            here.running += 1
    return dict(sorted(counts.items()))


def _type(partition: bytes) -> str:
    return address_of(partition)[0]
