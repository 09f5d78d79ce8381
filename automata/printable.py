"""Text of others as it is shown: nothing in it begins a line of its own, or tells a terminal what to do."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    """The text with all that is not printable as escapes, but for the characters to keep."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)
