"""Refs as values: comparison, immutability, annotations, and how instances become refs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import ClassVar

import pytest
from pydantic import BaseModel, ValidationError

from automata.errors import InvalidArgument
from automata.reference import ObjectRef, Ref, RefTarget, make_ref, set_ref_factory, to_ref
from automata.values.value_type import value_type


class UserRef(ObjectRef):
    __slots__ = ()
    __aliases__ = frozenset({"Member"})


class User:
    __automaton__: ClassVar[object] = object()

    def __automaton_ref__(self) -> ObjectRef:
        return ObjectRef("User", "me")


@pytest.fixture
def user_refs() -> Iterator[None]:
    def make(type_name: str, key: str) -> ObjectRef:
        return UserRef(type_name, key) if type_name == "User" else ObjectRef(type_name, key)

    previous = set_ref_factory(make)
    yield
    set_ref_factory(previous)


def test_refs_are_equal_by_type_and_key_alone() -> None:
    assert ObjectRef("User", "a", app=object()) == UserRef("User", "a")
    assert hash(ObjectRef("User", "a", app=object())) == hash(UserRef("User", "a"))
    assert ObjectRef("User", "a") != ObjectRef("Post", "a")
    assert ObjectRef("User", "a") != ("User", "a")


def test_refs_sort_by_type_then_key() -> None:
    names = [("B", "a"), ("A", "b"), ("A", "a")]
    assert sorted(ObjectRef(*name) for name in names) == [ObjectRef(*name) for name in sorted(names)]
    assert ObjectRef("A", "a") <= ObjectRef("A", "a") >= ObjectRef("A", "a")
    assert ObjectRef("A", "b") > ObjectRef("A", "a")
    with pytest.raises(TypeError):
        _ = ObjectRef("A", "a") < "A"  # type: ignore[operator]


def test_a_ref_cannot_be_changed() -> None:
    one = ObjectRef("User", "a")
    with pytest.raises(AttributeError, match="cannot be changed"):
        one.key = "b"
    with pytest.raises(AttributeError, match="cannot be changed"):
        del one.key
    assert copy.deepcopy(one) is one
    assert copy.copy(one) is one


@pytest.mark.usefixtures("user_refs")
def test_a_pickled_ref_comes_back_from_the_registered_factory() -> None:
    back = pickle.loads(pickle.dumps(ObjectRef("User", "a", app=object())))
    assert type(back) is UserRef
    assert back.app is None


@pytest.mark.usefixtures("user_refs")
def test_decoded_refs_are_of_the_registered_class() -> None:
    kind = value_type(Ref["User"])
    assert type(make_ref("User", "a")) is UserRef
    assert type(kind.decode(kind.encode(ObjectRef("User", "a")))) is UserRef


def test_an_instance_of_a_declared_type_becomes_its_ref() -> None:
    assert to_ref(User()) == ObjectRef("User", "me")
    assert value_type(Ref["User"]).validate(User()) == ObjectRef("User", "me")
    assert value_type(list[Ref[User]]).validate([User()]) == [ObjectRef("User", "me")]
    with pytest.raises(InvalidArgument, match="expected a Ref, got str"):
        to_ref("me")


def test_a_ref_to_another_type_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="Ref to User, got one to Post"):
        value_type(Ref["User"]).validate(ObjectRef("Post", "a"))


def test_an_annotation_may_name_the_class_of_a_renamed_type() -> None:
    assert value_type(Ref["Member"]).validate(UserRef("User", "a")) == ObjectRef("User", "a")


def test_the_name_in_an_annotation_is_that_of_the_class() -> None:
    assert Ref[User].__metadata__ == (RefTarget("User"),)  # type: ignore[attr-defined]
    assert Ref["models.User"].__metadata__ == (RefTarget("User"),)  # type: ignore[name-defined, attr-defined]


def test_a_pydantic_model_takes_refs_and_instances() -> None:
    class Post(BaseModel):
        author: Ref[User]
        any_one: ObjectRef | None = None

    post = Post(author=User(), any_one=ObjectRef("X", "y"))
    assert post.author == ObjectRef("User", "me")
    assert post.model_dump_json() == '{"author":"User/me","any_one":"X/y"}'
    with pytest.raises(ValidationError, match="got one to Post"):
        Post(author=ObjectRef("Post", "a"))
