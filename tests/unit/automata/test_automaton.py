"""Declaring automata: what is accepted, what is refused, and with which words."""

# mypy: disable-error-code="var-annotated"
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from automata import Map, Retry, apply, automaton, errors, object_type, readonly, ref
from automata.types import REGISTRY


@dataclass(frozen=True)
class Seen:
    n: int


def refused(make: Callable[[], object], why: str) -> None:
    with pytest.raises(errors.DeclarationError, match=why) as caught:
        make()
    assert __file__.rpartition("/")[2] in str(caught.value)


def test_an_automaton_is_registered_under_its_name_or_the_given_one() -> None:
    @automaton
    class Plain:
        n: int = 0

    @automaton(name="given")
    class Other:
        n: int = 0

    assert REGISTRY.get("Plain").volatile
    assert REGISTRY.get("given").cls is Other
    assert ref(Plain, "k") == ref("Plain", "k")


def test_unknown_options_are_refused() -> None:
    with pytest.raises(errors.DeclarationError, match="@automaton takes no option 'colour'"):
        automaton(colour=1)  # type: ignore[call-overload]
    with pytest.raises(errors.DeclarationError, match=r"@automaton takes no version=\.\.\."):
        automaton(version=2)


def test_options_that_are_not_about_stored_fields_are_taken() -> None:
    @automaton(strict_order=True, retry=Retry(tries=2))
    class A:
        n: int = 0

    options = REGISTRY.get("A").options
    assert (options.strict_order, options.retry.tries) == (True, 2)


@pytest.mark.parametrize("annotation", [Map[int, int], "Map[int, int]"])
def test_collections_are_refused_with_what_to_use(annotation: object) -> None:
    with pytest.raises(errors.DeclarationError, match=r"use list\[\.\.\.\], dict\[\.\.\.\] or set"):
        automaton(type("A", (), {"__annotations__": {"m": annotation}, "__module__": __name__}))


def test_a_field_needs_a_default() -> None:
    def make() -> None:
        @automaton
        class A:
            n: int

    refused(make, "a field needs a default")


def test_init_is_refused() -> None:
    def make() -> None:
        @automaton
        class A:
            def __init__(self) -> None: ...

    refused(make, "__init__")


def test_two_applies_for_one_class_are_refused() -> None:
    def make() -> None:
        @automaton
        class A:
            @apply
            def one(self, e: Seen) -> None: ...

            @apply
            def two(self, e: Seen | int) -> None: ...

    refused(make, "one and two both apply Seen")


def test_an_apply_without_annotation_is_refused() -> None:
    def make() -> None:
        @automaton
        class A:
            @apply
            def one(self, e) -> None: ...  # type: ignore[no-untyped-def]

    refused(make, "annotate 'e'")


def test_an_async_apply_is_refused() -> None:
    def make() -> None:
        @automaton
        class A:
            @apply  # type: ignore[type-var]
            async def one(self, e: Seen) -> None: ...

    refused(make, "make it `def`")


def test_an_annotation_that_is_never_resolved_is_reported_when_an_app_opens() -> None:
    @automaton
    class A:
        @apply
        def one(self, e: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(errors.DeclarationError, match="Nowhere"):
        REGISTRY.check()


def test_an_apply_may_name_a_class_that_is_defined_later() -> None:
    @automaton
    class A:
        @apply
        def one(self, e: "Later") -> None: ...

    @dataclass(frozen=True)
    class Later:
        n: int

    A.__automaton__.resolve()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["checkpoint", "restore"])
def test_checkpoint_and_restore_come_together(name: str) -> None:
    def alone(self: object, snapshot: object = None) -> None: ...

    with pytest.raises(errors.DeclarationError, match="come together"):
        automaton(type("A", (), {name: alone, "__module__": __name__}))


def test_an_async_checkpoint_is_refused() -> None:
    def make() -> None:
        @automaton
        class A:
            async def checkpoint(self) -> None: ...

    refused(make, "make it a plain `def`")


def test_apply_in_an_object_is_refused() -> None:
    def make() -> None:
        @object_type
        class A:
            @apply
            def one(self, e: Seen) -> None: ...

    refused(make, "@apply belongs to an @automaton")


def test_an_instance_made_by_hand_can_be_tested_alone() -> None:
    @automaton
    class A:
        n: int = 0
        seen: list[int] = []

        @apply
        def one(self, e: Seen) -> None:
            self.n += e.n
            self.seen.append(e.n)

        @readonly
        async def get(self) -> int:
            return self.n

    first, second = A(), A()
    first.one(Seen(3))
    assert (first.n, first.seen, second.n, second.seen) == (3, [3], 0, [])
    with pytest.raises(errors.StateError, match="is not declared"):
        first.other = 1  # type: ignore[attr-defined]


def test_a_derived_automaton_inherits_fields_handlers_and_applies() -> None:
    class Base:
        n: int = 0

        async def see(self, n: int) -> None: ...

        @apply
        def one(self, e: Seen) -> None: ...

    @automaton
    class A(Base):
        m: int = 1

    made = A.__automaton__  # type: ignore[attr-defined]
    assert set(made.fields) == {"n", "m"}
    assert made.applies.of(Seen).name == "one"
