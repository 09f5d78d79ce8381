"""`ssms.open(path)`: an application on one machine, in one process, with no service to start."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from automata.app import App
from automata.options import Options
from darq.folder import MODULES
from darq.limits import Limits
from darq.rocks import RocksStore
from ssms.worker_pool import WorkerPool


def open(  # noqa: A001 - the API's name
    path: str | os.PathLike[str], *, limits: Limits | None = None, options: Options | None = None
) -> App:
    """An app over the store in the folder `path`, which is made if it is not there.

    Use it as `async with ssms.open(path) as app:` or, from synchronous code, `with ssms.open(path) as app:`.
    limits: bounds of the store (`darq.Limits`); options: how the engine runs (`ssms.Options`).
    """
    chosen = options or Options()
    if chosen.workers is None:
        chosen = replace(chosen, workers=WorkerPool)
    if chosen.modules is None:
        chosen = replace(chosen, modules=Path(path) / MODULES)
    return App(lambda: RocksStore(path), limits or Limits(), chosen)
