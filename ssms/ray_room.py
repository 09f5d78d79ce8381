"""The way into the one room that imports Ray: through here, so that embedded programs neither need nor load it."""

from __future__ import annotations

import importlib
from types import ModuleType

from automata.errors import InvalidArgument


def ray_room(name: str) -> ModuleType:
    """A module of `ssms.on_ray`. Raises InvalidArgument if the [cluster] extra is not installed."""
    try:
        return importlib.import_module(f"ssms.on_ray.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("ray", "sqlalchemy", "psutil"):
            raise
        raise InvalidArgument(f"a cluster needs {error.name}: pip install 'durable-automata[cluster]'") from error
