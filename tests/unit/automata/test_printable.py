"""Text of others, as it is shown in logs and on terminals."""

from __future__ import annotations

import logging

import pytest

from automata import logger, object_type, ref
from automata.app import App
from automata.printable import printable
from tests.memory_app import in_embedded_app


@object_type(name="PrintableTeller")
class Teller:
    key: str

    async def tell(self, number: int) -> None:
        logger.warning("number %d", number)


def test_what_is_not_printable_is_shown_as_an_escape() -> None:
    assert printable("a\x1b[2J\r\n\u202eé\x9b") == r"a\x1b[2J\r\n\u202eé\x9b"
    assert printable("a\nb\tc\x07", "\n\t") == "a\nb\tc\\x07"


@in_embedded_app
async def test_a_key_is_no_line_of_the_log_and_no_format(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "automata")
    await ref(Teller, "100%s\nroot: forged").tell(5)
    assert caplog.messages == [r"PrintableTeller/100\x25s\nroot: forged: number 5"]
