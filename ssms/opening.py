"""`ssms.open(path)`: an application on one machine, in one process, with no service to start."""

from __future__ import annotations

import os

from automata.app import App
from automata.options import Options
from darq.limits import Limits
from darq.rocks import RocksStore


def open(  # noqa: A001 - the API's name
    path: str | os.PathLike[str], *, limits: Limits | None = None, options: Options | None = None
) -> App:
    """An app over the store in the folder `path`, which is made if it is not there.

    Use it as `async with ssms.open(path) as app:` or, from synchronous code, `with ssms.open(path) as app:`.
    limits: bounds of the store (`darq.Limits`); options: how the engine runs (`ssms.Options`).
    """
    return App(lambda: RocksStore(path), limits or Limits(), options or Options())
