"""The real command in a process of its own, and what it printed."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

ACCOUNT = """
from dataclasses import dataclass
from datetime import datetime
from automata import List, Map, Ref, Set, object_type, readonly, ref, send

class InsufficientFunds(Exception):
    pass

@dataclass
class Entry:
    what: str
    amount: int

@object_type
class Account:
    key: str
    balance: int = 0
    owner: str = "nobody"
    opened: datetime | None = None
    history: List[Entry]
    limits: Map[str, int]
    friends: Set[Ref["Account"]]

    async def deposit(self, amount: int) -> int:
        self.balance += amount
        self.history.append(Entry("deposit", amount))
        return self.balance

    async def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise InsufficientFunds(self.balance)
        self.balance -= amount
        return self.balance

    async def pay(self, to: Ref["Account"], amount: int) -> None:
        self.balance -= amount
        self.friends.add(to)
        send(to.deposit(amount))

    async def name(self, owner: str, opened: datetime, entry: Entry) -> None:
        self.owner, self.opened = owner, opened
        self.history.append(entry)

    async def _secret(self) -> None: ...

    @readonly
    async def entries(self) -> list[Entry]:
        return list(self.history)
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def start(*words: str | Path, cwd: Path, **more: str) -> "subprocess.Popen[str]":
    """The command, running."""
    environment = (
        os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"} | more
    )
    command = [sys.executable, "-m", "ssms", *map(str, words)]
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: "subprocess.Popen[str]") -> Done:
    """Wait for its end."""
    out, err = process.communicate(timeout=100)
    return Done(process.returncode, out, err)


def ssms(*words: str | Path, cwd: Path) -> Done:
    """The command, to its end."""
    return finish(start(*words, cwd=cwd))


def write(folder: Path, name: str, text: str) -> Path:
    """A program of a user."""
    file = folder / name
    file.write_text(text)
    return file
