"""The method that deletes an object from outside: one that every type has, and no class declares."""

from __future__ import annotations

from automata.context import delete
from automata.methods import Method


async def _erase(self: object) -> None:
    delete()


ERASE = Method("", "delete", _erase)
ERASE.resolve({"return": None})
ERASE.direct = False  # so that the way of all others need not look out for it
