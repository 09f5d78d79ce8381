"""An upload as people see it: the same embedded and on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from automata.sandbox.record import UploadRecord
from automata.sandbox.usage import Usage


@dataclass(frozen=True)
class Upload:
    """What was uploaded under a name. version: the one that runs; versions: all that can be rolled back to; types:
    names; digest: SHA-256 of the module; usage: what it has used since it was first taken in, in all its versions;
    of_uploader: what all uploads of its uploader have used, also those that are removed. A crash loses some seconds of
    both.
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
    of_uploader: Usage = field(default_factory=Usage)


def shown(record: UploadRecord, types: Sequence[str], usage: Usage, of_uploader: Usage) -> Upload:
    """An upload with the names of its types, and what it and its uploader have used."""
    version = record.running()
    numbers = [known.number for known in record.versions]
    return Upload(
        record.name,
        record.uploader,
        record.current,
        numbers,
        list(types),
        version.digest,
        version.size_bytes,
        usage,
        of_uploader=of_uploader,
    )
