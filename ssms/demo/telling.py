"""What a worker tells the process that started it: one JSON object a line, on its standard output."""

import msgspec

from ssms.demo.report import Operation


class Up(msgspec.Struct, tag="up"):
    """The store is open and answers. seconds: how long opening took."""

    seconds: float


class Progress(msgspec.Struct, tag="progress"):
    """So much of a phase is done."""

    phase: str
    done: int
    total: int


class Measured(msgspec.Struct, tag="measured"):
    """A phase has ended. Figures alone: whoever hears this has to be quick with the kill that comes next."""

    operation: Operation


class Audited(msgspec.Struct, tag="audited"):
    """What a comparison with the model gave. timelines: posts found in all of them together."""

    followers: int
    timelines: int
    differences: list[str]


Told = Up | Progress | Measured | Audited

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Told).decode


def tell(told: Told) -> None:
    """Write one line, at once."""
    print(_encode(told).decode(), flush=True)  # noqa: T201 - this is what its standard output is for


def hear(line: str) -> Told:
    """The message in one line. Raises msgspec.MsgspecError for anything else."""
    told: Told = _decode(line)
    return told
