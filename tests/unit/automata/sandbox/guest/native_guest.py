"""A guest in an ordinary Python process: the tree as it is built, a fresh copy of its memory for each run."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automata.sandbox.tree import SOURCE, lay_out

_DRIVER = """
import os, pickle, struct, sys
read, write, fork, wait, leave = os.read, os.write, os.fork, os.waitpid, os._exit
sys.path.insert(0, sys.argv[1])
source = open(sys.argv[3]).read()
def take(count):
    data = b""
    while len(data) < count:
        more = read(0, count - len(data))
        if not more: leave(0)
        data += more
    return data
def receive(): return pickle.loads(take(struct.unpack(">I", take(4))[0]))
def give(what):
    data = pickle.dumps(what)
    data = struct.pack(">I", len(data)) + data
    while data: data = data[write(1, data):]
class Host:
    def __getattr__(self, name):
        def ask(*args):
            give((name, args))
            return receive()
        return ask
from automata.sandbox.guest.start import Guest
guest = Guest(sys.argv[2], source, Host())
give(("described", (guest.describe(),)))
while True:
    task = receive()
    child = fork()
    if not child:
        give(("answered", (guest.run(task),)))
        leave(0)
    wait(child, 0)
"""


class NativeGuest:
    """The guest of one source text. Each run forks it, as each invocation of a module begins with its first memory."""

    def __init__(self, name: str, text: str, folder: Path) -> None:
        tree = folder / "tree"
        tree.mkdir(parents=True)
        source = folder / f"{name}.py"
        source.write_text(text)
        lay_out(source, tree)
        command = [sys.executable, "-I", "-S", "-B", "-c", _DRIVER, str(tree), name, str(tree / SOURCE)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        said, [self.manifest] = self._receive()
        assert said == "described"

    def run(self, task: bytes, host: Callable[[str, tuple[Any, ...]], Any]) -> bytes:
        """The answer to a task. host: answers what the guest asks, by name and arguments."""
        self._give(task)
        while True:
            said, arguments = self._receive()
            if said == "answered":
                return bytes(arguments[0])
            self._give(host(said, arguments))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=30)

    def _give(self, what: object) -> None:
        data = pickle.dumps(what)
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), struct.pack(">I", len(data)) + data)

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        (size,) = struct.unpack(">I", self._take(4))
        return pickle.loads(self._take(size))

    def _take(self, count: int) -> bytes:
        assert self._process.stdout is not None
        data = b""
        while len(data) < count:
            more = os.read(self._process.stdout.fileno(), count - len(data))
            assert more, "the guest has ended"
            data += more
        return data
