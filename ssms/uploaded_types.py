"""What a client knows of its cluster's uploads: their types, by the signatures in their manifests."""

from __future__ import annotations

from collections.abc import Iterable

from automata.context import logger
from automata.sandbox.record import UploadRecord
from automata.sandbox.signatures import signatures
from automata.types import REGISTRY, AutomatonType
from darq.errors import AutomataError


class UploadedTypes:
    """Of one client. A type that this process has of elsewhere, with its code or of another app, is left alone."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._records: dict[str, UploadRecord] = {}
        self._made: dict[str, AutomatonType] = {}

    def learn(self, records: Iterable[UploadRecord]) -> None:
        """These are all uploads that there are now."""
        given = {record.name: record for record in records}
        self.names = {name for record in given.values() for name in record.types()}
        for name in [name for name in self._made if name not in self.names]:
            REGISTRY.remove(self._made.pop(name))
        for record in given.values():
            if self._records.get(record.name) != record or not self._made.keys() >= set(record.types()):
                self._define(record)
        self._records = given

    def forget(self) -> None:
        """The client is closed."""
        self.learn([])

    def _define(self, record: UploadRecord) -> None:
        try:
            types = signatures(record)
        except AutomataError as error:
            logger.warning("the types of the upload %s cannot be called from here: %s", record.name, error)
            return
        for made in types:
            if REGISTRY.find(made.name) is self._made.get(made.name):  # also where neither is
                self._made[made.name] = made
                REGISTRY.add(made)
