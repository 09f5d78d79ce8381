"""The two ways to run `tests/behaviour/objects.py`, and how a test runs over both."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from automata import ref
from automata.app import App
from automata.errors import AutomataError, RemoteError
from automata.options import Options
from automata.types import REGISTRY
from tests.memory_app import memory_app

SOURCE = Path(__file__).parent / "objects.py"

Scenario = Callable[[App], Coroutine[Any, Any, None]]


class Native:
    """The types as this process imports them."""

    def __init__(self) -> None:
        self.options = Options()

    @asynccontextmanager
    async def types(self) -> AsyncIterator[None]:
        """Known while a test runs: a type of a name has one owner in a process."""
        module = _imported()
        made = [vars(module)[name].__automaton__ for name in ("Box", "Shelf", "Account", "Keeper")]
        try:
            yield
        finally:
            for one in made:
                REGISTRY.remove(one)

    async def take_in(self, app: App) -> None:
        """They are known already."""

    def raises(self, kind: type[Exception], text: str) -> Any:
        """An exception of a method reaches its caller as itself."""
        return pytest.raises(kind, match=text)


class Sandboxed:
    """The types as a module that was built of the same source."""

    def __init__(self, module: Path, compiled: Path, own: Path) -> None:
        """compiled: where the module is in its compiled form; own: a folder for the store of one test."""
        self.options = Options(modules=own)
        self._module = module
        self._compiled = compiled
        self._own = own

    @asynccontextmanager
    async def types(self) -> AsyncIterator[None]:
        """Uploads bring their own."""
        yield

    async def take_in(self, app: App) -> None:
        """Upload them. A store that opens drops files that no upload of its needs: so they come only now."""
        self._own.mkdir(exist_ok=True)
        for file in self._compiled.iterdir():
            (self._own / file.name).hardlink_to(file)
        await app.upload(self._module)

    def raises(self, kind: type[Exception], text: str) -> Any:
        """An exception of uploaded code is a RemoteError for its caller, unless the host itself has raised it."""
        return pytest.raises((RemoteError, kind) if issubclass(kind, AutomataError) else RemoteError, match=text)


def _imported() -> ModuleType:
    spec = importlib.util.spec_from_file_location("behaviour_objects", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["behaviour_objects"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_both(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[[Native | Sandboxed], None]:
    """Let a test run over each kind: it gets the open app, and the kind."""

    def run(kind: Native | Sandboxed) -> None:
        async def scenario() -> None:
            async with kind.types(), memory_app(options=kind.options) as app:
                await kind.take_in(app)
                await test(app, kind)

        asyncio.run(scenario())

    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined]
    return run


Kind = Native | Sandboxed


def box(key: str = "b") -> Any:
    """A ref by name: what uploads and native types have in common."""
    return ref("Box", key)


def shelf(key: str = "s") -> Any:
    """As `box`."""
    return ref("Shelf", key)


def account(key: str = "a") -> Any:
    """As `box`."""
    return ref("Account", key)
