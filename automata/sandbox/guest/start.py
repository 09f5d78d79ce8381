"""A guest from its source to the moment before its first task: all of this happens once, when the module is built.

The memory of that moment is the module. Whatever can be done before is done here.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import gc
import importlib
import linecache
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from automata.errors import DeclarationError
from automata.sandbox.guest import chance, walls
from automata.sandbox.guest.logged import log_to
from automata.sandbox.guest.manifest import manifest_of
from automata.sandbox.guest.messages import Host
from automata.sandbox.guest.outside import let_refs_reach_outside
from automata.sandbox.guest.running import Runner
from automata.sandbox.guest.warming import warm_up
from automata.types import REGISTRY

_LATE = (
    *("_strptime", "encodings.ascii", "encodings.idna", "encodings.latin_1", "encodings.utf_16", "encodings.utf_32"),
    *("json", "decimal", "fractions", "uuid", "secrets", "hashlib", "base64", "statistics", "traceback"),
)
"""What the standard library imports only when it is used."""


class Guest:
    """A module of a user's types, ready to run."""

    def __init__(self, name: str, source: str, host: Host) -> None:
        chance.take_over()
        for late in _LATE:
            importlib.import_module(late)
        walls.close_the_world()
        let_refs_reach_outside()
        _define(name, source)
        if not REGISTRY.newest:
            raise DeclarationError(f"{name}.py defines no types: decorate its classes with @object_type")
        self._manifest = manifest_of(REGISTRY)
        self._runner = Runner(host)
        warm_up()
        walls.close_imports()
        log_to(host)
        chance.Source.host = host
        gc.collect()
        gc.freeze()  # what is there now stays, so no collection need look at it

    def describe(self) -> bytes:
        """The manifest."""
        return self._manifest

    def run(self, task: bytes) -> bytes:
        """Run a task."""
        return self._runner.run(task)


def _define(name: str, source: str) -> None:
    """Run the user's file as a module of its own name, with its source at hand for tracebacks."""
    file = f"{name}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module: Any = ModuleType(name)
    module.__file__ = file
    sys.modules[name] = module
    plain, builtins.__import__ = builtins.__import__, walls.guarded_import(name)
    try:
        exec(compile(source, file, "exec", dont_inherit=True), vars(module))  # noqa: S102 - to run it is what it was given for
    finally:
        builtins.__import__ = plain
    for late in _imported_late(source):
        if walls.refusal(late) is None:
            with contextlib.suppress(ImportError):  # the import itself says so, when it runs
                importlib.import_module(late)


def _imported_late(source: str) -> Iterator[str]:
    """The modules that functions of a source import when they run."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
