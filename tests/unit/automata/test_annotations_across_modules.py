"""Annotations of classes in several modules: each is read with the names of the module that wrote it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator

import pytest

from automata import ref
from automata.errors import DeclarationError
from automata.testing import VirtualApp
from automata.types import REGISTRY

HEAD = (
    "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nfrom automata import Map, Ref, object_type\n"
)

STAMPED = """
import datetime as dt
Moment = dt.date

class Stamped:
    last: Moment | None = None
    days: Map[str, dt.date]

    async def stamp(self, day: Moment) -> Moment:
        self.last = self.days["last"] = day
        return day
"""

PARCEL = """
from across_stamped import Stamped
Moment = int

@object_type(name="across.Parcel")
class Parcel(Stamped):
    weight: Moment = 1

    async def weigh(self, weight: Moment) -> Moment:
        self.weight = weight
        return weight
"""

VAN = """
if TYPE_CHECKING:
    from across_depot import Depot

@object_type(name="across.Van")
class Van:
    home: Ref[Depot] | None = None

    async def park(self, where: Ref[Depot]) -> str:
        self.home = where
        return await where.name()
"""

DEPOT = """
from across_van import Van

@object_type(name="across.Depot")
class Depot:
    first: Ref[Van] | None = None

    async def name(self) -> str:
        return "depot"
"""

Import = Callable[[str, str], types.ModuleType]


@pytest.fixture
def imported() -> Iterator[Import]:
    made: list[types.ModuleType] = []

    def import_(name: str, source: str) -> types.ModuleType:
        module = sys.modules[name] = types.ModuleType(name)
        made.append(module)
        exec(compile(HEAD + source, name, "exec", dont_inherit=True), vars(module))
        return module

    yield import_
    for module in made:
        del sys.modules[module.__name__]
        for value in vars(module).values():
            if "__automaton__" in getattr(value, "__dict__", {}):
                REGISTRY.remove(value.__automaton__)


def test_a_mixin_keeps_the_names_of_its_own_module(imported: Import, automata_app: VirtualApp) -> None:
    day = imported("across_stamped", STAMPED).dt.date(2020, 1, 2)
    parcel = ref(imported("across_parcel", PARCEL).Parcel, "p")
    assert automata_app.run(parcel.stamp(day)) == day
    assert automata_app.run(parcel.weigh(3)) == 3
    assert automata_app.run(automata_app.inspect(parcel)) == {"last": day, "days": {"last": day}, "weight": 3}


def test_types_that_are_imported_for_type_checkers_alone_are_found_by_name(
    imported: Import, automata_app: VirtualApp
) -> None:
    van, depot = imported("across_van", VAN).Van, imported("across_depot", DEPOT).Depot
    assert automata_app.run(ref(van, "v").park(ref(depot, "d"))) == "depot"
    assert automata_app.run(automata_app.inspect(ref(van, "v"))) == {"home": ref(depot, "d")}


def test_a_name_that_no_type_has_is_reported(imported: Import) -> None:
    van = imported("across_van", VAN.replace("Depot", "Nowhere")).Van
    with pytest.raises(DeclarationError, match="name 'Nowhere' is not defined"):
        van.__automaton__.resolve()
