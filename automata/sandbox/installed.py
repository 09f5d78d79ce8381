"""The uploads that one process runs: their types in its registry, and what each has used (LambdaObjects §4.2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from automata.errors import ModuleRefused
from automata.options import Options
from automata.sandbox.checking import examine
from automata.sandbox.limits import limits_of
from automata.sandbox.machine import machine
from automata.sandbox.manifest import Manifest, read_manifest
from automata.sandbox.module import ComponentModule, CoreModule, GuestModule
from automata.sandbox.quota import Quota
from automata.sandbox.record import UploadRecord, Version
from automata.sandbox.rows import RowChecks
from automata.sandbox.shelf import Shelf
from automata.sandbox.shims import Guest
from automata.sandbox.targets import Targets
from automata.sandbox.uploaded_type import uploaded_type
from automata.sandbox.usage import Usage
from automata.types import AutomatonType


class Made(NamedTuple):
    """The types of one upload, the guest that runs their methods, and what all guests of its uploader may use."""

    guest: Guest
    types: list[AutomatonType]
    uploader: str
    quota: Quota


class Installed:
    """options: of the host that runs them; forget: lets go of what is in memory of a type that is gone.

    home: the store that they were uploaded to, b"" for a cluster's. Several apps of one process share a registry, and
    each runs the types of its own uploads alone.
    """

    def __init__(self, options: Options, forget: Callable[[AutomatonType], None], home: bytes = b"") -> None:
        self.shelf = Shelf(options.modules)
        self._options = options
        self._forget = forget
        self._home = home
        self._made: dict[str, Made] = {}
        self._quotas: dict[str, Quota] = {}

    def examine(self, digest: str, kind: str, limits: dict[str, int | float]) -> Manifest:
        """Compile a module that is on the shelf, and find out whether it is what it says. Takes seconds, in any thread.

        Raises ModuleRefused.
        """
        return examine(machine(), kind, self.compiled(digest, kind), limits_of(limits).within(self._options.sandbox))

    def compiled(self, digest: str, kind: str) -> Path:
        """The compiled form of a module that is on the shelf; it is made if there is none that can be run here."""
        return self.shelf.compiled(digest, kind, lambda form: machine().runs(kind, form))

    def make(self, record: UploadRecord) -> Made:
        """The types of the version that runs. Raises ModuleRefused for names that are taken."""
        version = record.running()
        limits = limits_of(version.limits).within(self._options.sandbox)
        manifest = read_manifest(version.manifest, limits)
        application = f"{self._home.hex()}/{record.name}" if self._home else record.name
        for described in manifest.types:
            self._check_free(described.name, application)
        targets = Targets(self._options.registry, application)
        quota = self._quotas.get(record.uploader) or Quota(record.uploader, limits, self._options.clock)
        module = self._module(version, targets, manifest)
        guest = Guest(module, limits, targets, quota, self._options.sandbox_threads)
        types = [uploaded_type(described, guest, application, version.core) for described in manifest.types]
        for one in types:
            one.home = self._home
        return Made(guest, types, record.uploader, quota)

    def install(self, name: str, made: Made) -> None:
        """Let these types run, in place of those that the upload had before."""
        before = self._made.get(name)
        if before is not None:
            made.guest.usage = before.guest.usage
        self._quotas[made.uploader] = made.quota
        made.quota.limits = made.guest.limits
        kept = {one.name for one in made.types}
        for old in before.types if before is not None else ():
            if old.name not in kept:
                self._remove(old)
        self._made[name] = made
        for one in made.types:
            self._options.registry.add(one)

    def uninstall(self, name: str) -> None:
        """Its types are known no more."""
        gone = self._made.pop(name, None)
        for one in gone.types if gone is not None else ():
            self._remove(one)

    def clear(self) -> None:
        """None of them is known any more."""
        for name in list(self._made):
            self.uninstall(name)

    def types(self, name: str) -> list[str]:
        """The names of an upload's types."""
        made = self._made.get(name)
        return [] if made is None else [one.name for one in made.types]

    def take_usage(self) -> list[tuple[str, str, Usage]]:
        """(upload, uploader, what it has used here since this was asked last)."""
        return [(name, made.uploader, made.guest.usage.take()) for name, made in self._made.items()]

    def usage(self) -> list[tuple[str, str, Usage]]:
        """The same, and it is asked again."""
        return [(name, made.uploader, dataclasses.replace(made.guest.usage)) for name, made in self._made.items()]

    # inside

    def _check_free(self, type_name: str, application: str) -> None:
        found = self._options.registry.find(type_name)
        if found is not None and found.application != application:
            owner = (
                f"the upload {found.application.rpartition('/')[2]!r}" if found.application else found.cls.__module__
            )
            if found.home != self._home and found.application:
                owner += " of another app of this process"
            raise ModuleRefused(f"a type {type_name} is known already, of {owner}: name yours otherwise")

    def _module(self, version: Version, targets: Targets, manifest: Manifest) -> GuestModule:
        def compiled() -> Path:
            return self.compiled(version.digest, version.kind)

        if version.core:
            return CoreModule(machine(), compiled)
        checks = {described.name: RowChecks(described.fields) for described in manifest.types}
        return ComponentModule(machine(), compiled, targets, checks)

    def _remove(self, made: AutomatonType) -> None:
        self._options.registry.remove(made)
        self._forget(made)
