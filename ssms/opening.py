"""`ssms.open(path)`: an application on one machine, in one process, with no service to start."""

from __future__ import annotations

import os

from automata.app import App
from automata.host import Options
from darq.limits import Limits
from darq.rocks import RocksStore


def open(path: str | os.PathLike[str], *, limits: Limits | None = None) -> App:  # noqa: A001 - the API's name
    """An app over the store in the folder `path`, which is made if it is not there.

    Use it as `async with ssms.open(path) as app:` or, from synchronous code, `with ssms.open(path) as app:`.
    """
    return App(lambda: RocksStore(path), limits or Limits(), Options())
