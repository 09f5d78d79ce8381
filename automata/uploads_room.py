"""The way into the sandbox: through here, so that programs without uploads neither need nor load wasmtime."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
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
    from automata.types import AutomatonType


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
        self._give_back(host.options.registry.newest.values())
        if host.log.rows(keys.UPLOAD):
            self.uploads().load()
        elif host.abroad is None and _has_files(host.options.modules):  # which no upload needs any more
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

    def defined(self, made: AutomatonType) -> None:
        """A type was defined while the app is open."""
        self._give_back([made])

    def _give_back(self, types: Iterable[AutomatonType]) -> None:
        """A native class may have the name of a type whose upload is removed: what it stores is its own from now on."""
        native = {made.name for made in types if not made.application}
        owners, step = Owners(self._host.log), Step(b"", b"")
        if given := native & owners.all():
            rows = self._host.log.rows(keys.UPLOAD)
            in_use = {name for _, row in rows for name in UploadRecord.decode(row).types()}
            owners.leave(step, given - in_use)
        if step.rows:
            self._host.log.commit(step)
            self._host.committer.touch()


def _has_files(folder: Path | None) -> bool:
    return folder is not None and folder.is_dir() and any(folder.iterdir())
