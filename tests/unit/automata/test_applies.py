"""Which @apply takes which record, and what records look like."""

from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import msgspec
import pytest

from automata import apply, errors
from automata.applies import Applies, check_apply, classes_of, head_of, is_apply, tag_of


@dataclass(frozen=True)
class Paid:
    amount: int


@dataclass(frozen=True)
class PaidLate(Paid):
    days: int = 0


class Named(NamedTuple):
    name: str


class Typed(TypedDict):
    name: str


def take(self: object, e: Paid) -> None: ...


def applies(*classes: type) -> Applies:
    return Applies("T", [(cls, f"on_{cls.__name__}", take) for cls in classes])


def test_a_record_is_a_pair_of_its_class_name_and_its_value() -> None:
    value, data = applies(Paid).of(Paid).take(Paid(5))
    assert value == Paid(5)
    assert data == b"\x92\xa4Paid\x81\xa6amount\x05"
    assert msgspec.msgpack.decode(data) == ["Paid", {"amount": 5}]


def test_its_head_is_all_but_the_value_however_long_the_name_is() -> None:
    for name in ("P", "P" * 31, "P" * 32, "P" * 255):
        cls = dataclass(frozen=True)(type(name, (), {"__annotations__": {"n": int}, "__module__": __name__}))
        known = applies(cls)
        _, data = known.of(cls).take(cls(7))
        assert head_of(data) == known.of(cls).head
        assert tag_of(data) == name
        assert known.by_head[head_of(data)].decode(data[len(head_of(data)) :]) == cls(7)


def test_the_exact_class_comes_before_its_bases() -> None:
    known = applies(Paid, PaidLate)
    assert (known.of(Paid).name, known.of(PaidLate).name) == ("on_Paid", "on_PaidLate")


def test_a_derived_class_is_applied_by_its_base_and_keeps_what_it_adds() -> None:
    known = applies(Paid)
    _, data = known.of(PaidLate).take(PaidLate(5, 3))
    assert known.of(PaidLate).name == "on_Paid"
    fresh = applies(Paid).of_record(data)
    assert fresh.name == "on_Paid"
    assert fresh.decode(data[len(head_of(data)) :]) == PaidLate(5, 3)


def test_what_has_no_apply_is_refused_with_what_to_add() -> None:
    with pytest.raises(errors.InvalidArgument, match="T has no @apply for Named: add `@apply def"):
        applies(Paid).of(Named)


def test_a_value_that_does_not_fit_its_class_is_refused() -> None:
    with pytest.raises(errors.InvalidArgument):
        applies(Paid).of(Paid).take(Paid("5"))  # type: ignore[arg-type]


def test_a_record_of_a_class_that_is_gone_says_to_keep_an_apply() -> None:
    _, data = applies(Named).of(Named).take(Named("x"))
    with pytest.raises(errors.StateError, match=r"no @apply takes Named \(there is one for: Paid\): keep an"):
        applies(Paid).of_record(data)


def test_two_applies_for_one_class_are_refused() -> None:
    with pytest.raises(errors.DeclarationError, match="on_Paid and on_Paid both apply Paid"):
        applies(Paid, Paid)


def test_two_classes_of_one_name_are_refused() -> None:
    twin = dataclass(frozen=True)(type("Paid", (), {"__annotations__": {}, "__module__": "elsewhere"}))
    with pytest.raises(errors.DeclarationError, match="two classes named Paid"):
        applies(Paid, twin)


def test_a_mutable_value_is_applied_as_a_copy() -> None:
    @dataclass
    class Listed:
        items: list[int]

    given = Listed([1])
    value, _ = applies(Listed).of(Listed).take(given)
    given.items.append(2)
    assert value == Listed([1])

    @dataclass
    class Single:
        n: int

    single = Single(1)
    value, _ = applies(Single).of(Single).take(single)
    single.n = 2
    assert value == Single(1)


def test_apply_marks_a_method_and_leaves_it_as_it_is() -> None:
    assert apply(take) is take
    assert is_apply(take)
    assert not is_apply(applies)


def test_a_union_lists_classes() -> None:
    assert classes_of(Paid | Named) == [Paid, Named]
    assert classes_of(int) == [int]


@pytest.mark.parametrize("hint", [list[int], None, "Paid", Typed, Paid | list[int]])
def test_an_annotation_that_is_no_class_is_refused(hint: object) -> None:
    with pytest.raises(errors.DeclarationError, match="is no class that records can be told apart by"):
        classes_of(hint)


async def coroutine(self: object, e: Paid) -> None: ...
def two(self: object, e: Paid, f: int = 0) -> None: ...
def none(self: object) -> None: ...
def named(self: object, *, e: Paid) -> None: ...
def bare(self, e): ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize(
    ("method", "why"),
    [
        (coroutine, "make it `def`"),
        (staticmethod(take), "make it `def`"),
        (two, "the one thing recorded"),
        (none, "the one thing recorded"),
        (named, "the one thing recorded"),
        (bare, "annotate 'e'"),
    ],
)
def test_an_apply_method_of_another_form_is_refused(method: object, why: str) -> None:
    with pytest.raises(errors.DeclarationError, match=why):
        check_apply(method)
