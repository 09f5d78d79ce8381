"""What holds for a built module alone."""

from __future__ import annotations

import pytest

from tests.unit.automata.sandbox.guest.native_guest import NativeGuest
from tests.unit.automata.sandbox.guest.small_host import Raised, SmallHost
from tests.unit.automata.sandbox.guest.wasm_guest import WasmGuest

pytestmark = pytest.mark.process


def test_a_module_says_of_itself_what_its_check_has_found(wasm_guest: WasmGuest, native_guest: NativeGuest) -> None:
    assert wasm_guest.manifest == native_guest.manifest


def test_too_little_memory_is_an_error_of_the_method(wasm_guest: WasmGuest) -> None:
    with pytest.raises(Raised) as raised:
        SmallHost(wasm_guest.run, "Wide").call("hogs")
    assert raised.value.args[:2] == ("MemoryError", "Wide/one hogs needs more memory than it may have")


def test_nothing_of_a_run_is_left_for_the_next(wasm_guest: WasmGuest) -> None:
    host = SmallHost(wasm_guest.run, "Wide")
    assert [host.call("counts_globally") for _ in range(3)] == [1, 1, 1]


def test_a_small_method_takes_little_fuel(wasm_guest: WasmGuest) -> None:
    SmallHost(wasm_guest.run, "Wide").call("told")
    assert wasm_guest.used < 2_000_000
