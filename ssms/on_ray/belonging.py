"""Which cluster a coordinator's folder belongs to: with another catalog, all objects would seem never to have been.

FOLDER/CLUSTER    the id in the catalog that it was used with first
"""

from __future__ import annotations

import os
from pathlib import Path

from darq.errors import InvalidArgument

_NAME = "CLUSTER"


def check_belongs(folder: Path, cluster: str, where: str) -> None:
    """Note the cluster whose catalog is used with a folder, or raise InvalidArgument if it is another one's.

    where: the catalog's URL, for the message.
    """
    note = folder / _NAME
    if not note.exists():
        fresh = folder / f"{_NAME}.new"
        with open(fresh, "w", encoding="utf-8") as file:  # noqa: PTH123 - flushed by hand
            file.write(cluster)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(note)
        return
    known = note.read_text(encoding="utf-8")
    if known != cluster:
        raise InvalidArgument(
            f"{folder} belongs to cluster {known}, and the catalog at {where} to {cluster}: was it lost, or is "
            f"--catalog another one than before? Put it back. To begin anew with nothing, delete all data, {note} too"
        )
