"""An upload as people see it: the same embedded and on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automata.sandbox.record import UploadRecord
from automata.sandbox.usage import Usage


@dataclass(frozen=True)
class Upload:
    """What was uploaded under a name. version: the one that runs; versions: all that can be rolled back to; types:
    names; digest: SHA-256 of the module; usage: since the app was opened, or since the hosts of a cluster began.
    trouble: why it cannot be run, if that is so: its types are not known then. On a cluster: on which hosts it cannot,
    and why.
    """

    name: str
    uploader: str
    version: int
    versions: list[int]
    types: list[str]
    digest: str
    size_bytes: int
    usage: Usage
    trouble: str = ""


def shown(record: UploadRecord, types: Sequence[str], usage: Usage) -> Upload:
    """An upload with the names of its types, and what it has used."""
    version = record.running()
    numbers = [known.number for known in record.versions]
    return Upload(
        record.name, record.uploader, record.current, numbers, list(types), version.digest, version.size_bytes, usage
    )
