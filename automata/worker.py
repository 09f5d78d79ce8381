"""What passes between a host and a worker: one invocation of a type with `compute="worker"` (SSMS §4.1).

    host: Task -> worker: reads rows, runs the code -> Done -> host: stages it as one ordinary step

The object stays with its host, which holds it meanwhile. A worker is given an invocation as bytes, with the rows of its
object if these are few, and asks for others; what it gives back is data alone. So it can be anything: code in this
process, a process of its own, an actor on this or another machine. All bytes here are msgspec's MessagePack.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

Rows = list[tuple[bytes, bytes]]


class Task(msgspec.Struct, array_like=True, tag=0):
    """One invocation to run. origin: module and qualified name of the type, to import it where it is not known.

    arguments: as a stored message has them. rows: of the object's state, in order, from its first one on; whole: that
    they are all. prefix: of the object's rows, which tells where they are from. num_cpus, num_gpus: what the type asks
    for.
    """

    type_name: str
    origin: tuple[str, str]
    key: str
    method: str
    arguments: bytes
    prefix: bytes
    rows: Rows
    whole: bool
    num_cpus: float = 1
    num_gpus: float = 0


class Dispatch(msgspec.Struct, array_like=True):
    """A message that the method has sent. arguments: as a stored message has them."""

    type_name: str
    key: str
    method: str
    arguments: bytes


class Done(msgspec.Struct, array_like=True, tag=1):
    """What came of a task: a result in the encoding of the method's return type, or an error; then nothing else counts.

    error: as `automata.failure.encode` writes it; trace: its traceback. ranges are dropped before writes are made; a
    write of None drops its row.
    """

    result: bytes = b""
    error: bytes | None = None
    trace: str = ""
    ranges: list[tuple[bytes, bytes]] = []
    writes: list[tuple[bytes, bytes | None]] = []
    sends: list[Dispatch] = []
    deleted: bool = False


class Want(msgspec.Struct, array_like=True, tag=2):
    """Rows that a worker asks for: up to `limit` of [begin, end), from the end backwards if reverse."""

    begin: bytes
    end: bytes
    limit: int
    reverse: bool = False


class Source(Protocol):
    """Where a worker gets the rows from that did not come with its task: subkeys, as they were when it began."""

    def rows(self, want: Want) -> Rows:
        """A range in one call."""


class Workers(Protocol):
    """Who runs the tasks of a host, given to it by whoever puts it together."""

    async def run(self, task: Task, source: Source) -> Done:
        """Have a worker run it. source answers on the loop that this was called on.

        Raises WorkerDied if the worker has ended first: what it had done is lost; Overloaded if there was no room for
        one. Whoever cancels this ends the worker.
        """

    async def close(self) -> None:
        """End all workers."""


_encode = msgspec.msgpack.Encoder().encode
_decode_to_worker = msgspec.msgpack.Decoder(Task).decode
_decode_from_worker: msgspec.msgpack.Decoder[Done | Want] = msgspec.msgpack.Decoder(Done | Want)
_decode_rows = msgspec.msgpack.Decoder(Rows).decode


def encode(message: Task | Done | Want | Rows) -> bytes:
    """Any of the messages as bytes."""
    return _encode(message)


def decode_task(data: bytes) -> Task:
    """What a worker is given to do."""
    return _decode_to_worker(data)


def decode_rows(data: bytes) -> Rows:
    """What a worker gets for what it wanted."""
    return _decode_rows(data)


def decode_answer(data: bytes) -> Done | Want:
    """What a worker says next: it wants something, or is done."""
    return _decode_from_worker.decode(data)
