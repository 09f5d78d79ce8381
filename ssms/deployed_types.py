"""The deployed types that one process has loaded, by name: what it hands on to its workers."""

from __future__ import annotations

from collections.abc import Iterable

from automata.types import REGISTRY
from ssms.deployed import DeployedType, Unloadable


class DeployedTypes:
    """The newest of each type, encoded. `encoded` is the same tuple until another is loaded."""

    def __init__(self) -> None:
        self._by_name: dict[str, bytes] = {}
        self._encoded: tuple[bytes, ...] = ()

    def load(self, data: bytes) -> None:
        """Load a type that comes from the catalog. Raises Unloadable."""
        deployed = DeployedType.decode(data)
        try:
            deployed.load()
        except Unloadable as error:
            REGISTRY.missing[deployed.name] = str(error)  # what whoever calls it is told
            raise
        REGISTRY.missing.pop(deployed.name, None)
        self._by_name[deployed.name] = data
        self._encoded = tuple(self._by_name.values())

    def load_all(self, types: Iterable[bytes]) -> None:
        """Load all that can be loaded, then raise the first error of the others."""
        errors: list[Unloadable] = []
        for data in types:
            try:
                self.load(data)
            except Unloadable as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def load_new(self, data: bytes) -> None:
        """Load a type unless just this version of it is loaded. Raises Unloadable."""
        if data not in self._encoded:
            self.load(data)

    def encoded(self) -> tuple[bytes, ...]:
        """All of them."""
        return self._encoded
