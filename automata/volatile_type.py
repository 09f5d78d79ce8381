"""The definition of one type of automata: besides methods, what its self-messages do and how it is saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from automata.applies import Applies
from automata.type_options import TypeOptions
from automata.types import AutomatonType

if TYPE_CHECKING:
    from automata.methods import Method
    from automata.volatile_fields import VolatileField


class VolatileType(AutomatonType):
    """The definition of one `@automaton`. `volatile_fields` and `applies` are there once it is resolved.

    checkpoint, restore: the class's own, if it has them; else the declared fields are saved.
    """

    volatile = True

    def __init__(
        self,
        name: str,
        cls: type,
        methods: dict[str, Method],
        resolve: Callable[[], dict[str, VolatileField]],
        options: TypeOptions,
    ) -> None:
        super().__init__(name, cls, methods, lambda: dict(self._fill(resolve)), options)
        self.applies = Applies(name, ())
        self.volatile_fields: dict[str, VolatileField] = {}
        self.checkpoint: Callable[[Any], object] | None = None
        self.restore: Callable[[Any, object], object] | None = None

    def _fill(self, resolve: Callable[[], dict[str, VolatileField]]) -> dict[str, VolatileField]:
        self.volatile_fields = resolve()
        return self.volatile_fields
