"""Declaring object types: what is a field, what is a method, and every refusal with the name and line at fault."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar  # noqa: F401 - named by annotations in strings
from uuid import UUID

import pytest

from automata import List, Map, Ref, Set, object_type, readonly  # noqa: F401
from automata.errors import DeclarationError

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
    ["str", "bytes", "UUID", "tuple[str, int]", "tuple[int, ...]", "Ref[int]", "Literal['a', 'b']", "int | str"],
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


def test_an_option_that_is_not_there_is_refused_with_a_sentence() -> None:
    with pytest.raises(DeclarationError, match=r"no option 'nmae'.*name="):
        object_type(nmae="User")  # type: ignore[call-overload]
