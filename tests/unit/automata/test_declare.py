"""Declaring object types: what is a field, what is a method, and every refusal with the name and line at fault."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar  # noqa: F401
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from automata import List, Map, Pickled, Ref, Set, object_type, readonly, ref
from automata.errors import DeclarationError, StateError, UnknownType
from tests.memory_app import in_app, listed, memory_app, settled

T = TypeVar("T")


def refused(define: Callable[[], object]) -> str:
    """The message of the refusal, which has the line at fault."""
    with pytest.raises(DeclarationError) as caught:
        define()
    return str(caught.value)


def line_of(marker: str) -> int:
    with Path(__file__).open() as source:
        return next(number for number, line in enumerate(source, 1) if f"# {marker}" in line and "line_of" not in line)


def test_a_value_field_needs_a_default_and_the_message_says_where() -> None:
    def define() -> None:
        @object_type
        class Lacking:
            name: str = ""
            age: int  # mark-lacking

    message = refused(define)
    assert "Lacking.age" in message
    assert "default" in message
    assert f"{__file__}:{line_of('mark-lacking')}" in message


@pytest.mark.parametrize("annotation", ["List[int]", "Set[int]", "Map[str, int]"])
def test_a_collection_takes_no_default(annotation: str) -> None:
    def define() -> None:
        namespace: dict[str, Any] = {"__annotations__": {"items": annotation}, "items": [], "__module__": __name__}
        object_type(type("Given", (), namespace))

    message = refused(define)
    assert "Given.items" in message
    assert "no default" in message


def test_a_class_with_init_is_refused_and_told_what_to_do() -> None:
    def define() -> None:
        @object_type
        class Constructed:
            name: str = ""

            def __init__(self) -> None:  # mark-init
                self.name = "x"

    message = refused(define)
    assert "Constructed.__init__" in message
    assert "default" in message
    assert f":{line_of('mark-init')}" in message


def test_a_mixin_with_init_is_refused() -> None:
    class Mixin:
        def __init__(self) -> None:
            pass

    def define() -> None:
        @object_type
        class Constructed(Mixin):
            name: str = ""

    assert "__init__" in refused(define)


def test_a_dataclass_is_refused() -> None:
    def define() -> None:
        @object_type
        @dataclass
        class Constructed:
            name: str = ""

    assert "__init__" in refused(define)


def test_a_generic_class_is_refused() -> None:
    def define() -> None:
        @object_type
        class Box(Generic[T]):
            name: str = ""

    message = refused(define)
    assert "generic" in message
    assert "Box" in message


@pytest.mark.parametrize("annotation", [typing.List[int], "typing.List[int]", typing.Dict[str, int], typing.Set[int]])  # noqa: UP006
def test_typing_collections_are_refused_with_both_ways_out(annotation: object) -> None:
    def define() -> None:
        namespace: dict[str, Any] = {"__annotations__": {"items": annotation}, "items": [], "__module__": __name__}
        object_type(type("Typed", (), namespace))

    message = refused(define)
    assert "Typed.items" in message
    assert "automata's" in message
    assert "builtin" in message


def test_an_ambiguous_union_is_refused_with_its_field() -> None:
    def define() -> None:
        @object_type
        class Either:
            amount: str | UUID = ""

    assert "Either.amount" in refused(define)


def test_a_default_that_does_not_fit_is_refused() -> None:
    def define() -> None:
        @object_type
        class Wrong:
            age: int = "5"  # type: ignore[assignment]

    assert "Wrong.age" in refused(define)


@pytest.mark.parametrize("annotation", ["int", int, "bytes"])
def test_the_key_is_a_str(annotation: object) -> None:
    def define() -> None:
        object_type(type("Keyed", (), {"__annotations__": {"key": annotation}, "__module__": __name__}))

    assert "Keyed.key" in refused(define)


def test_the_key_takes_no_default() -> None:
    def define() -> None:
        @object_type
        class Keyed:
            key: str = "x"

    assert "Keyed.key" in refused(define)


def test_a_bare_collection_annotation_is_refused() -> None:
    def define() -> None:
        @object_type
        class Bare:
            items: List  # type: ignore[type-arg]

    assert "Bare.items" in refused(define)


def test_a_map_with_one_argument_is_refused() -> None:
    def define() -> None:
        @object_type
        class Half:
            items: Map[int]  # type: ignore[type-arg]

    assert "Half.items" in refused(define)


@pytest.mark.parametrize(
    "key", ["float", "bool", "list[int]", "dict[str, int]", "None", "tuple[int, float]", "int | None"]
)
def test_keys_of_maps_and_sets_have_an_order(key: str) -> None:
    def of_map() -> None:
        object_type(type("Odd", (), {"__annotations__": {"items": f"Map[{key}, int]"}, "__module__": __name__}))

    def of_set() -> None:
        object_type(type("Odd", (), {"__annotations__": {"items": f"Set[{key}]"}, "__module__": __name__}))

    assert "Odd.items" in refused(of_map)
    assert "Odd.items" in refused(of_set)


@pytest.mark.parametrize(
    "key",
    ["str", "bytes", "UUID", "tuple[str, int]", "tuple[int, ...]", "Ref[Animal]", "Literal['a', 'b']", "int | str"],
)
def test_every_ordered_type_may_be_a_key(key: str) -> None:
    made = object_type(type("Even", (), {"__annotations__": {"items": f"Map[{key}, int]"}, "__module__": __name__}))
    assert set(made.__automaton__.fields) == {"items"}  # type: ignore[attr-defined]


def test_an_async_generator_method_is_refused() -> None:
    def define() -> None:
        @object_type
        class Yielding:
            async def items(self) -> typing.AsyncIterator[int]:
                yield 1

    assert "Yielding.items" in refused(define)


def test_star_parameters_are_refused() -> None:
    def define() -> None:
        @object_type
        class Starred:
            async def total(self, *numbers: int) -> int:  # mark-star
                return sum(numbers)

    message = refused(define)
    assert "Starred.total" in message
    assert f":{line_of('mark-star')}" in message


def test_a_readonly_plain_def_is_refused() -> None:
    def define() -> None:
        @object_type
        class Plain:
            @readonly
            def look(self) -> int:
                return 1

    assert "Plain.look" in refused(define)


def test_a_bad_parameter_annotation_names_the_method_and_parameter() -> None:
    def define() -> None:
        @object_type
        class Takes:
            async def take(self, thing: Callable[[], None]) -> None: ...

    message = refused(define)
    assert "Takes.take" in message
    assert "thing" in message


@pytest.mark.parametrize("name", ["", "a/b", "a\x00b", "x" * 600])
def test_type_names_that_cannot_be_addresses_are_refused(name: str) -> None:
    class Named:
        n: int = 0

    with pytest.raises(DeclarationError):
        object_type(name=name)(Named)


def test_a_long_type_name_is_refused_when_declared() -> None:
    class Named:
        n: int = 0

    with pytest.raises(DeclarationError, match="type name"):
        object_type(name="\ud800")(Named)


def test_what_is_no_class_is_refused() -> None:
    with pytest.raises(DeclarationError):
        object_type(lambda: None)  # type: ignore[type-var]


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
