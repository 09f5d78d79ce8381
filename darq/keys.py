"""The registry of key kinds: the first byte of every key in a store. A kind is never reused for something else.

    key        = kind:u8 rest
    partition  = the name of a logical DARQ, any bytes, written with 00 -> 00 FF and closed by 00 01, so that no
                 partition's rows lie among another's and partitions sort by name
    number     = u64, big-endian, so that rows sort by number

docs/FORMAT.md says what each kind's value holds.
"""

import struct
from collections.abc import Callable
from functools import lru_cache

META = b"\x00"  # name -> store-wide rows: the head
HISTORY = b"\x01"  # group number -> what the group's steps did, for people
LEASE = b"\x02"  # lease name -> epoch
GENERATION = b"\x03"  # memtable generation -> group number it ended with
DIRECTORY = b"\x10"  # partition -> header of a logical DARQ that exists
STATE = b"\x11"  # partition subkey -> state
LIFETIME = b"\x12"  # due in ms since the epoch, partition -> nothing: look whether the time of this one is over
INBOX = b"\x20"  # lsn -> message to consume, in order
PARKED = b"\x21"  # cause lsn -> message that waits: for a retry, for its type, or for a person (dead letter)
RECORD = b"\x22"  # partition lsn -> self-message, replayed on recovery
TIMER = b"\x23"  # due in ms since the epoch, lsn -> message that is due then
SCHEDULE = b"\x24"  # lsn -> due in ms and lsn of the pending timer of what repeats
OUTBOX = b"\x30"  # receiving store (16 bytes) sequence -> message that leaves
LANE = b"\x31"  # sending store (16 bytes) -> highest sequence accepted
LANE_OUT = b"\x32"  # receiving store (16 bytes) -> next sequence, and the first not acknowledged
PREPARED = b"\x34"  # transaction (32 bytes) index:u32 -> what it will change here if it is committed, by object
DECIDED = b"\x35"  # transaction (32 bytes) -> the stores that have not applied it yet: it is committed
LEADER = b"\x36"  # another store (16 bytes) -> the newest epoch under which its host has asked here
REQUEST = b"\x40"  # partition request-key -> recorded outcome
ANSWERS = b"\x42"  # group -> outcomes of requests whose askers say when they have them
EXPIRY = b"\x41"  # due in ms since the epoch, key of the request row to drop -> nothing
INVOCATION = b"\x50"  # lsn -> a method that has committed a part and has not finished
JOURNAL = b"\x51"  # lsn part:u32 -> what that part has seen; lsn part:u32 index:u32 -> outcome of what it awaited
MOVED = b"\x60"  # partition -> number of the move, and the store that it has gone to, though its slot is here
GUEST = b"\x61"  # partition -> number of the move that has brought it here, though its slot is elsewhere
SLOT = b"\x62"  # slot:u16 -> how far it has come from or to which other store
ROUTE = b"\x63"  # slot:u16 -> the store that messages to it were sent to last
UPLOAD = b"\x68"  # name -> versions of an uploaded module, and which of them runs
OWNER = b"\x69"  # name of a type that was uploaded -> whose it is, also once the upload is removed
USAGE = b"\x6a"  # sort name -> what an upload ("m") or all uploads of an uploader ("u") have used
LOCAL = b"\x70"  # name -> rows of this one copy of a store, which are never replicated

ALL = 1 << 62  # a limit for scans that take every row

HEAD = META + b"head"
CLOSED = META + b"closed"  # the number of the group that a clean close wrote, last of its life
CHAIN = META + b"chain"  # epoch, number and hash of the last replicated group
SUSPECT = META + b"suspect"  # the re-delivered message that is being tried, and how often it was
LIFETIME_CURSOR = META + b"lifetimes"  # ms since the epoch: no LIFETIME row lies before
PROMISED = LOCAL + b"promised"  # the highest epoch that this copy follows: it acknowledges no older one
COPYING = LOCAL + b"copying"  # the first key that is not copied yet: this copy is not whole

_number = struct.Struct(">Q")
number: Callable[[int], bytes] = _number.pack

numbered: Callable[[bytes, int], bytes] = struct.Struct(">cQ").pack
"""The key of row `lsn` of a kind that is ordered by number."""

timed: Callable[[bytes, int, int], bytes] = struct.Struct(">cQQ").pack
"""The key of row (due in ms, lsn) of a kind that is ordered by time."""


def due_of(key: bytes) -> int:
    """The time in a key made with `timed`, in ms since the epoch."""
    return int.from_bytes(key[1:9], "big")


def number_of(key: bytes) -> int:
    """The number at the end of a key: the inverse of `numbered`, and of any key that ends with one."""
    return int(_number.unpack(key[-8:])[0])


@lru_cache(maxsize=16_384)  # the busy partitions of a store are asked for at each step
def partition_key(kind: bytes, partition: bytes) -> bytes:
    """The key prefix of all rows of one kind that belong to `partition`."""
    return kind + escape(partition) + b"\x00\x01"


def escape(partition: bytes) -> bytes:
    """A partition name with its zero bytes escaped, without the closing mark: the prefix of all names that begin so."""
    return partition.replace(b"\x00", b"\x00\xff") if b"\x00" in partition else partition


def split_partition(key: bytes) -> tuple[bytes, bytes]:
    """(partition, rest) of a key made with `partition_key`."""
    at = 1
    while True:
        at = key.index(b"\x00", at)
        if key[at + 1] == 1:
            return key[1:at].replace(b"\x00\xff", b"\x00"), key[at + 2 :]
        at += 2


def after(prefix: bytes) -> bytes:
    """The first key behind all keys that begin with `prefix`."""
    stripped = prefix.rstrip(b"\xff")
    if not stripped:
        raise ValueError("no key lies behind a prefix of FF bytes")
    return stripped[:-1] + bytes([stripped[-1] + 1])
