"""What the worker's clients know, in a file beside the store: what they asked, and what was acknowledged.

Each line is written before, or after, the request that it is about. A SIGKILL keeps what was written, as it is in the
kernel's hands by then; a last line that was cut short is ignored.

    ask POST-NUMBER TIME                 time: seconds since the epoch
    ack POST-NUMBER TIME LATENCY         latency: seconds
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Acknowledged:
    """When a post was acknowledged, in seconds since the epoch, and how many seconds that took."""

    at: float
    latency: float


class Journal:
    """Appends to the file, one line a system call."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("a", buffering=1)  # noqa: SIM115 - closed by `close`

    def ask(self, post: int, at: float) -> None:
        """A request is about to be made."""
        self._file.write(f"ask {post} {at:.6f}\n")

    def acknowledge(self, post: int, at: float, latency: float) -> None:
        """Its answer is here."""
        self._file.write(f"ack {post} {at:.6f} {latency:.6f}\n")

    def close(self) -> None:
        """Write no more."""
        self._file.close()


@dataclass(frozen=True)
class Requests:
    """What a journal says. asked: the time of the first ask of each post; acknowledged: by post number."""

    asked: dict[int, float]
    acknowledged: dict[int, Acknowledged]

    @property
    def in_flight(self) -> list[int]:
        """Asked, and not known to have been done: to be asked again under the same key."""
        return [post for post in self.asked if post not in self.acknowledged]


def read_journal(path: str) -> Requests:
    """The requests so far; none if there is no file yet."""
    requests = Requests({}, {})
    file = Path(path)
    for line in file.read_text().split("\n")[:-1] if file.exists() else ():
        match line.split():
            case ["ask", post, at]:
                requests.asked.setdefault(int(post), float(at))
            case ["ack", post, at, latency]:
                requests.acknowledged[int(post)] = Acknowledged(float(at), float(latency))
    return requests
