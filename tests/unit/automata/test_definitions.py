"""What a declared class is: its fields, its mixins and bases, its names, and the plain class it stays."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar  # noqa: F401

import pytest
from pydantic import BaseModel, Field

from automata import List, Map, Pickled, Ref, Set, object_type, ref
from automata.errors import DeclarationError, StateError, UnknownType
from tests.memory_app import in_app, listed, memory_app, settled

T = TypeVar("T")


def test_classvar_final_and_unannotated_names_are_no_fields() -> None:
    @object_type
    class Constants:
        limit: ClassVar[int] = 5
        name: Final = "constant"
        total: Final[int] = 7
        bare: ClassVar = 3
        unannotated = 9
        field: int = 1

    assert set(Constants.__automaton__.fields) == {"field"}  # type: ignore[attr-defined]
    assert (Constants.limit, Constants.name, Constants.total, Constants.unannotated) == (5, "constant", 7, 9)


class Stamped:
    """A plain mixin."""

    stamps: int = 0
    seen: Set[str]

    async def stamp(self, who: str) -> int:
        self.stamps += 1
        self.seen.add(who)
        return self.stamps

    def twice(self) -> int:
        return self.stamps * 2


@object_type
class Passport(Stamped):
    owner: str = ""

    async def double(self) -> int:
        return self.twice()


@object_type
class Ticket(Stamped):
    pass


@in_app
async def test_plain_mixins_contribute_fields_and_methods(app: object) -> None:
    assert await ref(Passport, "p").stamp("x") == 1
    assert await ref(Ticket, "p").stamp("y") == 1
    assert await ref(Passport, "p").double() == 2
    assert await app.inspect(ref(Passport, "p")) == {"stamps": 1, "seen": {"x"}, "owner": ""}  # type: ignore[attr-defined]


@object_type
class Animal:
    name: str = "?"

    async def rename(self, name: str) -> None:
        self.name = name


@object_type
class Dog(Animal):
    tricks: List[str]

    async def learn(self, trick: str) -> int:
        self.tricks.append(trick)
        return len(self.tricks)


@in_app
async def test_an_object_type_may_inherit_from_another(app: object) -> None:
    dog, animal = ref(Dog, "rex"), ref(Animal, "rex")
    await dog.rename("Rex")
    assert await dog.learn("sit") == 1
    await animal.rename("other")
    assert await app.inspect(dog) == {"name": "Rex", "tricks": ["sit"]}  # type: ignore[attr-defined]
    assert await app.inspect(animal) == {"name": "other"}  # type: ignore[attr-defined]
    assert ref(Dog, "rex") != ref(Animal, "rex")


@in_app
async def test_classes_defined_inside_a_function_may_name_themselves(app: object) -> None:
    @object_type
    class Node:
        next: Ref[Node] | None = None
        others: Set[Ref[Node]]

        async def link(self, other: Ref[Node]) -> None:
            self.next = other
            self.others.add(other)

    await ref(Node, "a").link(ref(Node, "b"))
    assert (await app.inspect(ref(Node, "a")))["next"] == ref(Node, "b")  # type: ignore[attr-defined]


@object_type
class Early:
    late: Ref[Late] | None = None
    all: List[Ref[Late]]

    async def point(self, late: Ref[Late]) -> None:
        self.late = late


@object_type
class Late:
    n: int = 0


@in_app
async def test_a_class_may_name_a_later_one(app: object) -> None:
    await ref(Early, "e").point(ref(Late, "l"))
    assert (await app.inspect(ref(Early, "e")))["late"] == ref(Late, "l")  # type: ignore[attr-defined]


@pytest.mark.parametrize("where", ["field", "parameter"])
def test_what_cannot_be_resolved_is_reported_when_an_app_opens(where: str) -> None:
    if where == "field":

        @object_type
        class Dangling:
            other: "NoSuchThing" = None  # type: ignore[name-defined]  # noqa: F821, UP037
    else:

        @object_type
        class Dangling:  # type: ignore[no-redef]
            async def take(self, thing: NoSuchThing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(DeclarationError, match=r"Dangling.*NoSuchThing"):
        memory_app().__enter__()


def test_two_types_of_one_name_are_an_error_when_an_app_opens() -> None:
    def first() -> None:
        @object_type
        class Twin: ...

    def second() -> None:
        @object_type
        class Twin: ...

    first()
    second()
    with pytest.raises(DeclarationError, match=r"Twin.*first.*second"):
        memory_app().__enter__()


def test_a_given_name_resolves_the_clash() -> None:
    def first() -> None:
        @object_type
        class Twin: ...

    def second() -> None:
        @object_type(name="OtherTwin")
        class Twin: ...

    first()
    second()
    with memory_app():
        pass


@in_app
async def test_redefining_a_class_replaces_it_in_an_open_app(app: object) -> None:
    def define(step: int) -> type:
        @object_type
        class Meter:
            total: int = 0

            async def tick(self) -> int:
                self.total += step
                return self.total

        return Meter

    old = define(1)
    assert await ref(old, "m").tick() == 1
    new = define(10)
    await settled(lambda: ref(new, "probe").tick(), 10)
    assert await ref(new, "m").tick() == 11
    assert await listed(app.objects(new)) == ["m", "probe"]  # type: ignore[attr-defined]


@in_app
async def test_the_given_name_is_the_type_name(app: object) -> None:
    @object_type(name="people.Person")
    class Human:
        n: int = 0
        friend: Ref[Human] | None = None

        async def grow(self) -> int:
            self.n += 1
            self.friend = ref(self)
            return self.n

    assert await ref(Human, "x").grow() == 1
    assert repr(ref(Human, "x")) == "ref('people.Person', 'x')"
    assert await ref("people.Person", "x").grow() == 2


def test_a_class_stays_a_plain_class_whose_helpers_can_be_tested_alone() -> None:
    @object_type
    class Tool:
        n: int = 3
        tags: list[str] = []
        items: List[int]
        table: Map[str, int]
        names: Set[str]

        def triple(self) -> int:
            return self.n * 3

        @property
        def half(self) -> float:
            return self.n / 2

        @classmethod
        def label(cls) -> str:
            return cls.__name__

        @staticmethod
        def one() -> int:
            return 1

    tool = Tool()
    assert (tool.triple(), tool.half, Tool.label(), Tool.one()) == (9, 1.5, "Tool", 1)
    tool.n = 5
    tool.tags.append("x")
    tool.items.append(1)
    tool.table["a"] = 2
    tool.names.add("b")
    assert (tool.triple(), tool.tags, list(tool.items), dict(tool.table), set(tool.names)) == (
        15,
        ["x"],
        [1],
        {"a": 2},
        {"b"},
    )
    assert Tool().tags == []
    with pytest.raises(StateError):
        tool.undeclared = 1  # type: ignore[attr-defined]


def test_an_undecorated_class_has_no_refs() -> None:
    class Undecorated: ...

    with pytest.raises(UnknownType):
        ref(Undecorated, "x")


def test_a_subclass_of_an_object_type_is_no_object_type_until_decorated() -> None:
    class Puppy(Animal): ...

    with pytest.raises(UnknownType):
        ref(Puppy, "x")


def test_annotated_fields_keep_their_constraints_and_pickled_is_known() -> None:
    @object_type
    class Bounded:
        percent: Annotated[int, Field(ge=0, le=100)] = 0
        thing: Pickled[object] = None

    bounded = Bounded()
    bounded.percent = 100
    with pytest.raises(ValueError, match="percent"):
        bounded.percent = 101


@object_type
class Takes:
    async def take(self, form: LaterForm) -> LaterForm:
        return form


class LaterForm(BaseModel):
    n: int = 0


@in_app
async def test_a_method_may_name_a_later_class(app: object) -> None:
    assert await ref(Takes, "t").take(LaterForm(n=3)) == LaterForm(n=3)


@in_app
async def test_a_class_may_name_a_later_one_while_an_app_is_open(app: object) -> None:
    @object_type
    class Hopeful:
        met: List[Coming]

        async def take(self, form: Coming, n: int = 1) -> int:
            self.met.append(form)
            return len(self.met) + n

    with pytest.raises(DeclarationError, match=r"Hopeful.*Coming"):
        await ref(Hopeful, "h").take(1)  # type: ignore[arg-type]

    class Coming(BaseModel):
        name: str = "x"

    assert await ref(Hopeful, "h").take(Coming()) == 2


@in_app
async def test_a_class_may_name_what_is_local_where_it_is_defined(app: object) -> None:
    class Animal(BaseModel):  # hides the one of the module, as in the function's own code
        legs: int

    @object_type
    class Zoo:
        inside: List[Animal]
        last: Animal | None = None

        async def add(self, animal: Animal) -> int:
            self.inside.append(animal)
            self.last = animal
            return self.inside[-1].legs

    assert await ref(Zoo, "z").add(Animal(legs=4)) == 4
