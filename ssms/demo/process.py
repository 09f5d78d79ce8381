"""One life of the worker."""

import subprocess
import sys
from collections.abc import Iterator
from types import TracebackType

import msgspec

from automata.errors import AutomataError
from ssms.demo.plan import Plan
from ssms.demo.telling import Told, hear


class WorkerFailed(AutomataError):
    """The demo's worker ended by itself, without having done its work: a fault of this library, or of the machine."""


class Worker:
    """A running worker, to be iterated for what it tells. Leaving its context kills it, if it still runs."""

    def __init__(self, plan: Plan, *phases: str) -> None:
        command = [sys.executable, "-m", "ssms.demo.worker", plan.encode(), *phases]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self._killed = False

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def __iter__(self) -> Iterator[Told]:
        assert self._process.stdout is not None, "it was opened with a pipe"
        for line in self._process.stdout:
            try:
                yield hear(line)
            except msgspec.MsgspecError as error:
                if not self._killed:  # else its last line was cut short
                    raise WorkerFailed(f"the worker said {line!r}") from error
        if self._process.wait() and not self._killed:
            assert self._process.stderr is not None, "it was opened with a pipe"
            last_words = self._process.stderr.read()[-2000:]
            raise WorkerFailed(f"the worker ended with exit code {self._process.returncode}: {last_words}")

    def go_on(self) -> None:
        """Let a worker that waits for it go on."""
        assert self._process.stdin is not None, "it was opened with a pipe"
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerFailed("the worker ended half-way") from error

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone: nothing in it gets to run any more."""
        if self._process.poll() is None:
            self._killed = True
            self._process.kill()
            self._process.wait()
