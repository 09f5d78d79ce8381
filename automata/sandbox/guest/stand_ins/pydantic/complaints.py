"""What is wrong with a value, and where in it."""

from __future__ import annotations


class Complaint(Exception):
    """kind, message: as pydantic has them; value: what is wrong; place: where, from the outside in."""

    def __init__(self, kind: str, message: str, value: object) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.value = value
        self.place: list[object] = []

    def inside(self, *where: object) -> Complaint:
        """The same, one level further out."""
        self.place[:0] = [step if isinstance(step, str | int) else str(step) for step in where]
        return self
