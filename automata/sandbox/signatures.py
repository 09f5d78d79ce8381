"""Uploaded types as who calls them from elsewhere knows them: by their signatures, which their manifests have."""

from __future__ import annotations

from automata.errors import StateError
from automata.sandbox.described_type import Shim, described_type
from automata.sandbox.manifest import MethodManifest
from automata.sandbox.record import UploadRecord
from automata.types import AutomatonType


def signatures(record: UploadRecord) -> list[AutomatonType]:
    """The types of the version that runs, which can be called and not run. Raises ModuleRefused."""
    core = record.running().core
    made = [described_type(described, record.name, core, _elsewhere) for described in record.manifest().types]
    for one in made:
        one.elsewhere = True
    return made


def _elsewhere(described: MethodManifest) -> Shim:
    async def shim(instance: object, *args: object) -> object:
        raise StateError(f"{described.name} runs on the hosts of its cluster: call it through a ref")

    return shim
