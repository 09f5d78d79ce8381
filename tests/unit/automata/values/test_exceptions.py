"""Exceptions as values: they arrive as themselves where that is possible, and as a RemoteError where it is not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from automata.errors import AutomataError, CallTimeout, InvalidArgument, NotPublic, RemoteError
from automata.values.dynamic import decode_exception, encode_exception


class InsufficientFundsError(Exception):
    made = 0

    def __init__(self, balance: int, *, currency: str) -> None:
        super().__init__(balance)
        self.currency = currency
        type(self).made += 1


class SlottedError(ValueError):
    __slots__ = ("code",)


class DeviceError(OSError):
    def __init__(self, device: str) -> None:
        super().__init__(5, "broken", "/dev/x")
        self.device = device


class LayeredError(KeyError, AttributeError):
    pass


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@dataclass
class Unknown:
    x: int


def caught(function: Any) -> Exception:
    try:
        function()
    except Exception as error:  # noqa: BLE001 -- the test wants the interpreter's own exceptions
        return error
    raise AssertionError("nothing was raised")


def back(error: Exception) -> Exception:
    return decode_exception(encode_exception(error, "Traceback: line 7"))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x", 2),
        ZeroDivisionError(),
        KeyError(("a", 1)),
        OverflowError(2**70),
        LayeredError("k"),
        FileNotFoundError(2, "none", "file"),
        StopIteration(4),
        TimeoutError("late"),
        NotPublic("_x"),
        CallTimeout("late"),
        InvalidArgument("bad"),
        RemoteError("a.B", "m", "tb"),
        SyntaxError("bad", ("file", 1, 2, "text")),
        caught(lambda: {}.missing),  # type: ignore[attr-defined]
        caught(b"\xff".decode),
        caught(lambda: int("x")),
        caught(lambda: __import__("no_such_module")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_arrives_as_itself(error: Exception) -> None:
    again = back(error)
    assert type(again) is type(error)
    assert again.args == error.args
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_attributes_and_notes_arrive_and_init_does_not_run() -> None:
    error = InsufficientFundsError(3, currency="EUR")
    error.add_note("ask again")
    made = InsufficientFundsError.made
    again = back(error)
    assert isinstance(again, InsufficientFundsError)
    assert (again.args, again.currency, again.__notes__) == ((3,), "EUR", ["ask again"])
    assert InsufficientFundsError.made == made


def test_state_outside_the_dictionary_arrives() -> None:
    slotted = SlottedError("x")
    slotted.code = 4  # type: ignore[attr-defined]
    assert back(slotted).code == 4  # type: ignore[attr-defined]
    device = back(DeviceError("d"))
    assert isinstance(device, DeviceError)
    assert (device.errno, device.strerror, device.filename, device.device) == (5, "broken", "/dev/x", "d")


def test_a_group_arrives_with_its_exceptions() -> None:
    again = back(ExceptionGroup("two", [ValueError(1), ExceptionGroup("deep", [KeyError("k")])]))
    assert isinstance(again, ExceptionGroup)
    assert again.message == "two"
    assert again.subgroup(KeyError) is not None
    assert repr(again.exceptions[0]) == "ValueError(1)"


def local_error() -> Exception:
    class LocalError(Exception):
        pass

    return LocalError("here")


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (local_error(), "LocalError"),
        (ValueError(object()), "ValueError"),
        (UnprintableError(object()), "UnprintableError"),
        (ValueError("\ud800"), "ValueError"),
    ],
)
def test_what_cannot_be_rebuilt_arrives_as_a_remote_error(error: Exception, name: str) -> None:
    again = back(error)
    assert isinstance(again, RemoteError)
    assert again.type_name.endswith(name)
    assert again.remote_traceback == "Traceback: line 7"
    assert "Remote traceback:\nTraceback: line 7" in str(again)


def test_a_class_that_the_reader_lacks_arrives_as_a_remote_error(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_exception(InsufficientFundsError(3, currency="EUR"), "tb")
    monkeypatch.delitem(globals(), "InsufficientFundsError")
    again = decode_exception(data)
    assert isinstance(again, RemoteError)
    assert (again.type_name, again.message) == (f"{__name__}.InsufficientFundsError", "3")


def test_a_value_whose_class_the_reader_lacks_makes_it_a_remote_error(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_exception(ValueError(Unknown(1)), "tb")
    assert decode_exception(data).args == (Unknown(1),)
    monkeypatch.delitem(globals(), "Unknown")
    assert isinstance(decode_exception(data), RemoteError)


def test_a_name_that_is_no_exception_is_not_built() -> None:
    data = encode_exception(ValueError("x"), "").replace(b"\xaaValueError", b"\xaaSystemExit")
    assert isinstance(decode_exception(data), RemoteError)


def test_a_remote_error_is_an_error_of_the_library() -> None:
    assert issubclass(RemoteError, AutomataError)
    assert str(RemoteError("a.B", "m")) == "a.B: m"


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), asyncio.CancelledError(), SystemExit(1)])
def test_what_is_no_answer_is_not_encoded(signal: BaseException) -> None:
    with pytest.raises(TypeError, match="no answer of a method"):
        encode_exception(signal, "")  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"\x90", b"\xc0", b"\xc1"])
def test_damaged_bytes_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        decode_exception(data)


def test_the_format_of_version_1_stays_as_it_is() -> None:
    data = "95 a86275696c74696e73 aa56616c75654572726f72 a178 a2 7462 c406 93 91a178 80 80"
    assert encode_exception(ValueError("x"), "tb").hex() == data.replace(" ", "")
