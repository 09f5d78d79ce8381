"""Modules on disk, by the hash of their bytes: as they were uploaded, and compiled for this release of wasmtime.

FOLDER/HASH.wasm                     the module
FOLDER/HASH.VERSION.compiled         its compiled form: machine code, so that nobody else may write here
FOLDER/HASH.VERSION.sum              SHA-256 of that
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import importlib.metadata
import os
import platform
import shutil
import tempfile
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from automata.sandbox.compiling import compile_module
from darq.errors import StoreDamaged

_RELEASE = f"{importlib.metadata.version('wasmtime')}-{platform.machine()}-3"
"""What a compiled form fits: the last number is raised with each change of `automata.sandbox.engines`."""

_OURS = frozenset({".wasm", ".compiled", ".sum"})
_CURRENT = frozenset({"wasm", f"{_RELEASE}.compiled", f"{_RELEASE}.sum"})
_PARTIAL = ".partial"


class Shelf:
    """The modules of one store."""

    def __init__(self, folder: Path | None) -> None:
        self._shared = folder is None
        self._folder = folder if folder is not None else _passing_folder()
        self._compiling = threading.Lock()

    def begin(self) -> None:
        """Drop what an earlier process has written in part. Nothing is being written yet."""
        if not self._shared and self._folder.is_dir():
            for path in self._folder.glob(f"*{_PARTIAL}"):
                path.unlink(missing_ok=True)

    def put(self, data: bytes) -> str:
        """Keep a module. Returns its hash, once it is on disk."""
        digest = hashlib.sha256(data).hexdigest()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._source(digest)
        if not self.has(digest):
            write_synced(path, data)
        return digest

    def has(self, digest: str) -> bool:
        """Whether a module is there, undamaged."""
        path = self._source(digest)
        return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest

    def data(self, digest: str) -> bytes:
        """The bytes of a module. Raises StoreDamaged if they are not there as they were."""
        if not self.has(digest):
            raise StoreDamaged(
                f"the module {self._source(digest)} is missing or damaged: upload it again, or restore it from a backup"
            )
        return self._source(digest).read_bytes()

    def compiled(self, digest: str, kind: str, usable: Callable[[Path], bool]) -> Path:
        """The compiled form of a module, which is made if there is none for this release. Takes seconds then.

        usable: whether this machine can run it: the store may come from one with another processor.
        """
        target = self._folder / f"{digest}.{_RELEASE}.compiled"
        summed = target.with_suffix(".sum")
        if _fits(target, summed) and usable(target):  # whoever compiles something else is not waited for
            return target
        with self._compiling:
            if _fits(target, summed) and usable(target):
                return target
            self.data(digest)
            compile_module(kind, self._source(digest), target)
            write_synced(summed, hashlib.sha256(target.read_bytes()).hexdigest().encode())
        return target

    def keep_only(self, digests: Collection[str]) -> None:
        """Forget all other modules, and compiled forms for other releases."""
        if self._shared or not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            digest, _, rest = path.name.partition(".")
            current = digest in digests and rest in _CURRENT
            if path.suffix in _OURS and not current:
                path.unlink(missing_ok=True)

    def drop(self, digest: str) -> None:
        """Forget a module."""
        for path in self._folder.glob(f"{digest}.*"):
            path.unlink(missing_ok=True)

    def _source(self, digest: str) -> Path:
        return self._folder / f"{digest}.wasm"


def write_synced(path: Path, data: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=_PARTIAL, delete=False) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fits(compiled: Path, summed: Path) -> bool:
    """Whether a compiled form is what was written: damaged machine code would be run as it is."""
    try:
        return hashlib.sha256(compiled.read_bytes()).hexdigest().encode() == summed.read_bytes()
    except FileNotFoundError:
        return False


@functools.cache
def _passing_folder() -> Path:
    """For stores in memory: as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="automata-modules-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
