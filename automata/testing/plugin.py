"""The pytest plugin: the fixture `automata_app`. Installing the distribution registers it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from automata.testing.app import VirtualApp, app


@pytest.fixture
def automata_app() -> Iterator[VirtualApp]:
    """A simulated app for a plain test function: `automata_app.run(ref(User, "k").method())`.

    Virtual time passes only while something is run: `automata_app.advance(seconds)`.
    """
    with app() as opened:
        yield opened
