"""Refs: names as values, and what may be invoked through them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from automata import Ref, errors, object_type, readonly, ref
from automata.app import App
from automata.errors import InvalidArgument, NotPublic, UnknownMethod, UnknownType
from tests.memory_app import in_app


@object_type
class Door:
    opened: int = 0
    note: str = ""
    neighbour: Ref[Door] | None = None

    async def open(self) -> int:
        self.opened += 1
        return self.opened

    async def _hidden(self) -> int:
        return 42

    async def peek_next_door(self, other: Ref[Door]) -> int:
        return await other._hidden()

    async def ask_own(self) -> Ref[Door]:
        return ref(self)

    async def remember_self(self) -> bool:
        self.neighbour = self  # type: ignore[assignment]
        return self.neighbour == ref(self)

    def helper(self) -> int:
        return 1

    @property
    def wide(self) -> bool:
        return True

    @readonly
    async def count(self) -> int:
        return self.opened


@object_type
class Window:
    opened: int = 0


def test_a_ref_compares_hashes_and_sorts_by_its_name() -> None:
    a, b = ref(Door, "a"), ref(Door, "b")
    assert a == ref(Door, "a")
    assert a == ref("Door", "a")
    assert a != b
    assert a != ref(Window, "a")
    assert a != "Door/a"
    assert len({a, ref(Door, "a"), b}) == 2
    assert sorted([ref(Window, "a"), b, a]) == [a, b, ref(Window, "a")]


def test_a_ref_can_be_copied_and_pickled() -> None:
    a = ref(Door, "a")
    for same in (copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert same == a
        assert callable(same.open)


def test_a_ref_cannot_be_changed() -> None:
    for name in ("key", "opened", "open"):
        with pytest.raises(AttributeError):
            setattr(ref(Door, "a"), name, 1)
        with pytest.raises(AttributeError):
            delattr(ref(Door, "a"), name)


def test_a_ref_has_its_key_and_a_readable_form() -> None:
    assert ref(Door, "a").key == "a"
    assert repr(ref(Door, "a")) == "ref('Door', 'a')"


NO_KEYS: list[Any] = ["", "x" * 513, "é" * 257, "\ud800", 5, b"a", None, True]


@pytest.mark.parametrize("key", NO_KEYS, ids=lambda k: repr(k)[:12])
def test_what_is_no_key_is_refused(key: Any) -> None:
    with pytest.raises(InvalidArgument):
        ref(Door, key)
    with pytest.raises(InvalidArgument):
        ref("Door", key)


KEYS = ["a", "x" * 512, "é" * 256, "a/b//c", "\x00", "a\x00", "\x00\x01", "\n", " ", "\U0001f9c0", "\uffff", ".."]


@pytest.mark.parametrize("key", KEYS, ids=lambda k: repr(k)[:12])
@in_app
async def test_a_key_has_any_characters(app: App, key: str) -> None:
    assert await ref(Door, key).open() == 1
    assert await ref(Door, key + "x" if len(key) < 200 else "other").open() == 1
    assert await ref(Door, key).open() == 2
    assert key in [k async for k in app.objects(Door)]
    assert (await app.inspect(ref(Door, key)))["opened"] == 2


def test_private_methods_are_refused_to_clients() -> None:
    with pytest.raises(NotPublic, match="_hidden"):
        ref(Door, "a")._hidden()
    assert not hasattr(ref(Door, "a"), "_hidden")


@in_app
async def test_private_methods_are_there_for_objects_of_the_application(app: App) -> None:
    assert await ref(Door, "a").peek_next_door(ref(Door, "b")) == 42


@pytest.mark.parametrize("name", ["helper", "wide", "opened", "note"])
def test_what_is_no_async_method_is_not_public(name: str) -> None:
    with pytest.raises(NotPublic, match=name):
        getattr(ref(Door, "a"), name)
    assert not hasattr(ref(Door, "a"), name)


@pytest.mark.parametrize("name", ["nothing", "_nothing", "Open"])
def test_an_unknown_method_is_an_attribute_error_too(name: str) -> None:
    with pytest.raises(UnknownMethod, match=name) as caught:
        getattr(ref(Door, "a"), name)
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(ref(Door, "a"), name)
    assert getattr(ref(Door, "a"), name, "default") == "default"


def test_an_unknown_method_error_lists_the_public_ones() -> None:
    with pytest.raises(UnknownMethod, match="ask_own, count, open") as caught:
        ref(Door, "a").opne()  # type: ignore[attr-defined]
    assert "_hidden" not in str(caught.value)


def test_errors_have_one_base() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, errors.AutomataError)
        assert kind.__doc__


def test_an_unknown_type_is_a_value_until_it_is_invoked() -> None:
    nobody = ref("Nobody", "x")
    assert nobody == ref("Nobody", "x")
    assert nobody.key == "x"
    with pytest.raises(UnknownType, match="Nobody"):
        nobody.anything()


@in_app
async def test_a_ref_by_name_made_before_the_type_works_once_it_is_defined(app: App) -> None:
    later = ref("Gate", "g")

    @object_type
    class Gate:
        n: int = 0

        async def open(self) -> int:
            self.n += 1
            return self.n

    assert await later.open() == 1  # type: ignore[attr-defined]
    assert later == ref(Gate, "g")


@in_app
async def test_ref_of_self_is_ones_own(app: App) -> None:
    mine = await ref(Door, "me").ask_own()
    assert mine == ref(Door, "me")
    assert await mine.open() == 1


@in_app
async def test_self_stored_where_a_ref_belongs_becomes_it(app: App) -> None:
    assert await ref(Door, "me").remember_self()
    assert (await app.inspect(ref(Door, "me")))["neighbour"] == ref(Door, "me")


def test_ref_takes_a_type_and_a_key_or_self() -> None:
    for wrong in ("Door", 5, None):
        with pytest.raises(InvalidArgument):
            ref(wrong)
    with pytest.raises(UnknownType):
        ref(int, "x")
    with pytest.raises(UnknownType):
        ref(5, "x")  # type: ignore[call-overload]


@in_app
async def test_naming_an_object_neither_loads_nor_makes_it(app: App) -> None:
    ref(Door, "ghost")
    assert not await app.exists(ref(Door, "ghost"))
    assert await ref(Door, "ghost").count() == 0
    assert not await app.exists(ref(Door, "ghost"))
