"""The way into the sandbox: through here, so that programs without uploads neither need nor load wasmtime."""

from __future__ import annotations

import importlib
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from automata.errors import InvalidArgument
from automata.sandbox.owners import Owners
from automata.sandbox.record import UploadRecord
from darq import keys
from darq.step import Step

if TYPE_CHECKING:
    from automata.host import Host
    from automata.sandbox.uploads import Uploads


def sandbox_room(name: str) -> ModuleType:
    """A module of `automata.sandbox` that needs wasmtime. Raises InvalidArgument if that is not installed."""
    try:
        return importlib.import_module(f"automata.sandbox.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "wasmtime":
            raise
        raise InvalidArgument("uploads need wasmtime: pip install 'durable-automata[sandbox]'") from error


class UploadsRoom:
    """The uploads of one host, if there are any."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._uploads: Uploads | None = None
        rows = host.log.rows(keys.UPLOAD)
        self._give_back([UploadRecord.decode(row) for _, row in rows])
        if rows:
            self.uploads().load()
        elif _has_files(host.options.modules):  # which no upload needs any more
            with suppress(InvalidArgument):  # without wasmtime they do no harm
                self.uploads().load()

    def uploads(self) -> Uploads:
        """The uploads. Raises InvalidArgument if the [sandbox] extra is not installed."""
        if self._uploads is None:
            self._uploads = sandbox_room("uploads").Uploads(self._host)
        return self._uploads

    def close(self) -> None:
        """The app closes."""
        if self._uploads is not None:
            self._uploads.close()

    def _give_back(self, records: list[UploadRecord]) -> None:
        """A native class may have the name of a type whose upload is removed: what it stores is its own from now on."""
        step = Step(b"", b"")
        in_use = {name for record in records for name in record.types()}
        Owners(self._host.log).leave(step, set(self._host.options.registry.names()) - in_use)
        if step.rows:
            self._host.log.commit(step)
            self._host.committer.touch()


def _has_files(folder: Path | None) -> bool:
    return folder is not None and folder.is_dir() and any(folder.iterdir())
