"""What a guest is kept from says so, as a Python error with a sentence; whoever finds a way round it meets a trap.

No promise of the sandbox rests on this file: the module imports nothing but the interface of its host.
"""

from __future__ import annotations

import builtins
import inspect
import io
import linecache
import os
import posix
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Never

if TYPE_CHECKING:
    from automata.sandbox.guest.messages import Host

_NETWORK = "a sandboxed class has no network: send to an object of a type that is deployed without a sandbox"
_PROCESSES = "a sandboxed class starts no processes and no threads, and has no access to the machine"
_NOT_THERE = (
    "a sandboxed class has the standard library and `automata` alone, as far as its file names them. Send to an object "
    "of a type that is deployed without a sandbox for what other packages do"
)
_TESTING = "a sandboxed class is tested from outside: import it in the file that has the tests"
_FILES = "a sandboxed class has no files: keep what it needs in its fields"

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("automata.testing", "pytest"), _TESTING),
    **dict.fromkeys(("socket", "_socket", "ssl", "_ssl", "select", "selectors", "socketserver"), _NETWORK),
    **dict.fromkeys(("http", "urllib.request", "ftplib", "smtplib", "imaplib", "poplib", "xmlrpc"), _NETWORK),
    **dict.fromkeys(("subprocess", "multiprocessing", "threading", "_thread", "concurrent", "queue"), _PROCESSES),
    **dict.fromkeys(("ctypes", "signal", "pty", "resource", "fcntl", "mmap", "faulthandler", "posix"), _PROCESSES),
    **dict.fromkeys(("tempfile", "shutil", "glob", "sqlite3", "dbm", "shelve", "zipimport", "_io"), _FILES),
}
"""Modules of the standard library that the code of a guest may not import, and why."""

_HARMLESS = frozenset({"fspath", "fsencode", "fsdecode", "strerror", "urandom", "waitstatus_to_exitcode"})


def refusal(name: str) -> str | None:
    """Why a module is not imported, if it is refused by name."""
    while name:
        if name in REFUSED:
            return REFUSED[name]
        name = name.rpartition(".")[0]
    return None


def guarded_import(of: str) -> Callable[..., Any]:
    """`__import__` for as long as the module `of` is imported: it refuses that module, and nobody else."""
    plain = builtins.__import__

    def guarded(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - the names that Python gives them by
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if globals is not None and globals.get("__name__") == of:
            why = refusal(name)
            if why is not None:
                raise ImportError(f"{name} cannot be imported: {why}", name=name)
            try:
                return plain(name, globals, locals, fromlist or (), level)
            except ModuleNotFoundError as error:
                raise ModuleNotFoundError(f"{error}: {_NOT_THERE}", name=error.name) from None
        return plain(name, globals, locals, fromlist or (), level)

    return guarded


class NothingMore:
    """The last finder of modules: what was not imported while the guest was built is not there."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Refuse, with a sentence."""
        why = refusal(name) or _NOT_THERE
        raise ModuleNotFoundError(f"{name} cannot be imported: {why}", name=name)


def close_imports() -> None:
    """The guest is built: nothing is imported any more but what is there."""
    for name in [name for name in sys.modules if refusal(name)]:
        del sys.modules[name]
    sys.meta_path[:] = [NothingMore()]
    sys.path[:] = []
    sys.path_importer_cache.clear()


def close_the_world() -> None:
    """Files, the environment and the machine say that they are not there."""
    for module, name in ((builtins, "open"), (io, "open"), (io, "open_code"), (io, "FileIO"), (builtins, "input")):
        setattr(module, name, _refuser(name))
    for name in dir(os):
        function = getattr(os, name)
        of_the_machine = getattr(posix, name, None) is function and inspect.isbuiltin(function)
        if of_the_machine and name not in _HARMLESS:
            setattr(os, name, _refuser(f"os.{name}"))
    setattr(os, "environ", {})  # noqa: B010 - a plain dictionary is no environment, and nobody needs to know
    # where in its line an error arose is found out by parsing that, and a parser that fails looks for files
    setattr(traceback, "_get_code_position", _nowhere)  # noqa: B010
    linecache.updatecache = _no_source  # type: ignore[assignment]
    linecache.checkcache = _as_it_is


def _refuser(what: str) -> Callable[..., Never]:
    def refuse(*args: object, **options: object) -> Never:
        raise PermissionError(f"{what}(): {_FILES}")

    return refuse


def _nowhere(*args: object) -> tuple[None, None, None, None]:
    return None, None, None, None


def _no_source(*args: object) -> list[str]:
    return []


def _as_it_is(filename: str | None = None) -> None:
    """The sources that are known stay known."""


class Printed(io.TextIOBase):
    """Standard output: each line goes to the host's log."""

    def __init__(self, host: Host, level: int) -> None:
        self._host = host
        self._level = level
        self._line = ""

    def write(self, text: str) -> int:
        """Take text; whole lines go to the log."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._host.log(self._level, line)
        return len(text)
