"""The one guest that the tests of this folder share: building it takes many seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from automata.sandbox.building import build
from tests.unit.automata.sandbox.guest.native_guest import NativeGuest
from tests.unit.automata.sandbox.guest.wasm_guest import WasmGuest

TYPES = Path(__file__).parent / "guest_types.py"


@pytest.fixture(scope="session")
def wasm_guest(tmp_path_factory: pytest.TempPathFactory) -> WasmGuest:
    module = tmp_path_factory.mktemp("wasm") / "guest_types.wasm"
    build(TYPES, module)
    return WasmGuest(module)


@pytest.fixture(scope="session")
def native_guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeGuest]:
    guest = NativeGuest("guest_types", TYPES.read_text(), tmp_path_factory.mktemp("guest"))
    yield guest
    guest.close()


@pytest.fixture(params=["native", "wasm"])
def guest(request: pytest.FixtureRequest) -> NativeGuest | WasmGuest:
    """The same tree, in this Python and in the one that is compiled to WebAssembly."""
    made: NativeGuest | WasmGuest = request.getfixturevalue(f"{request.param}_guest")
    return made
