"""Values of annotated fields: what is accepted, how it is kept, and that it comes back equal and unshared."""

from __future__ import annotations

import contextlib
import gc
import pickle
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import cloudpickle
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, SecretStr, field_validator

from automata.errors import DeclarationError, InvalidArgument
from automata.reference import ObjectRef, Ref
from automata.values.annotations import Compiler
from automata.values.dynamic import decode_dynamic
from automata.values.value_type import Pickled, value_type
from automata.values.wire import WIRE_DECODER, to_bytes
from tests.unit.automata.values.values_world import (
    KINDS,
    Cat,
    Colour,
    Counted,
    Dog,
    Fixed,
    Frozen,
    Level,
    Open,
    Pair,
    Pet,
    Point,
    Point3,
    Settings,
    Tagged,
    Tree,
    User,
)

typed_values = st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind[0]), kind[1]))


def mutable_parts(value: Any) -> Iterator[int]:
    """The ids of everything in `value` that could be changed."""
    inner: Iterable[Any] = ()
    if isinstance(value, dict):
        inner = (*value, *value.values())
    elif isinstance(value, list | set | tuple | frozenset):
        inner = value
    elif hasattr(value, "__dict__") and not isinstance(value, Enum):
        inner = vars(value).values()
    if isinstance(value, list | set | dict) or (hasattr(value, "__dict__") and not isinstance(value, Enum | tuple)):
        yield id(value)
    for part in inner:
        yield from mutable_parts(part)


class TestEveryKind:
    @given(typed_values)
    def test_comes_back_equal_and_of_its_class(self, case: tuple[Any, Any]) -> None:
        annotation, value = case
        kind = value_type(annotation)
        back = kind.decode(kind.encode(kind.validate(value)))
        assert back == value
        assert isinstance(back, ObjectRef if isinstance(value, ObjectRef) else type(value))

    @given(typed_values)
    def test_native_and_python_paths_agree(self, case: tuple[Any, Any]) -> None:
        annotation, value = case
        kind, shape = value_type(annotation), Compiler().compile(annotation)
        kept = kind.validate(value)
        packed = to_bytes(shape.pack(kept))
        assert kind.encode(kept) == packed
        assert shape.unpack(WIRE_DECODER.decode(packed)) == value

    @given(typed_values)
    def test_a_copy_is_equal_and_shares_nothing_mutable(self, case: tuple[Any, Any]) -> None:
        annotation, value = case
        kind = value_type(annotation)
        copied = kind.copy(value)
        assert copied == value
        if kind.immutable:
            assert copied is value
        else:
            assert not set(mutable_parts(value)) & set(mutable_parts(copied))

    @given(typed_values)
    def test_is_read_by_tools_without_its_type(self, case: tuple[Any, Any]) -> None:
        annotation, value = case
        decode_dynamic(value_type(annotation).encode(value))

    @given(typed_values)
    def test_an_exact_class_needs_no_validation(self, case: tuple[Any, Any]) -> None:
        annotation, value = case
        kind = value_type(annotation)
        if type(value) is kind.exact:
            assert kind.validate(value) is value

    @given(typed_values, st.data())
    def test_damaged_bytes_are_a_value_error_or_another_value(self, case: tuple[Any, Any], data: st.DataObject) -> None:
        annotation, value = case
        kind = value_type(annotation)
        good = kind.encode(kind.validate(value))
        at, byte = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 255))
        with contextlib.suppress(ValueError):
            kind.decode(good[:at] + bytes([byte]) + good[at + 1 :])
        with pytest.raises(ValueError, match="damaged"):
            kind.decode(good[:-1])


class TestValidation:
    @pytest.mark.parametrize(
        ("annotation", "value", "sentence"),
        [
            (int, "5", "expected int, got str '5'"),
            (int, True, "expected int, got bool True"),
            (bool, 1, "expected bool, got int 1"),
            (str, 5, "expected str, got int 5"),
            (None, 0, "expected None, got int 0"),
            (bytes, bytearray(b"x"), "expected bytes, got bytearray"),
            (date, datetime(2024, 1, 1, tzinfo=UTC), "expected date, got datetime.datetime"),
            (Decimal, 1, "expected Decimal, got int 1"),
            (Colour, "red", "expected Colour, got str 'red'"),
            (Literal[1], True, "expected 1, got bool True"),
            (list[int], (1,), r"expected list\[int\], got tuple"),
            (list[int], [1, "a"], r"expected list\[int\], got str 'a' at 1 \(input should be a valid integer\)"),
            (tuple[int, Point], (1,), r"expected tuple\[int, Point\], got 1 elements"),
            (Annotated[int, Field(gt=3)], 2, r"expected int, got int 2 \(input should be greater than 3\)"),
            (Annotated[list[Point], Field(max_length=0)], [Point(1, 2.0)], "at most 0 items"),
            (Annotated[str, AfterValidator(len)], "ab", "a validator turned it into int 2, where str is declared"),
            (Point, {"x": 1, "y": 2.0}, "expected Point, got dict"),
            (Point, Point("a", 2.0), "x: expected int, got str 'a'"),  # type: ignore[arg-type]
            (list[Point], [Point(1, 2.0, 3)], "0: label: expected str, got int 3"),  # type: ignore[arg-type]
            (User, User.model_construct(name=5), "name: expected str, got int 5"),
            (User, User.model_construct(), "name: the field is not set"),
            (Pair, Pair(1, [2]), "right: expected list"),  # type: ignore[list-item]
            (Pair, (1, []), "expected Pair, got tuple"),
            (Settings, {"theme": "x", "other": 1}, "unknown key 'other'"),
            (Settings, {"size": 1}, "without 'theme'"),
            (Pet, Point(1, 2.0), "expected Cat or Dog, got .*Point"),
            (Point | int | None, "x", r"expected Point \| int \| None, got str 'x'"),
            (Point | int, Point("x", 1.0), "x: expected int, got str 'x'"),  # type: ignore[arg-type]
            (dict[str, Point], {"a": 5}, "a: expected Point, got int 5"),
            (npt.NDArray[np.float32], np.ones(2), "numpy array of float32, got one of float64"),
            (np.ndarray, np.array([object()]), "Python objects"),
            (np.ndarray, np.zeros(1, [("a", "i4")]), "structured"),
            (np.ndarray, [1], "expected a numpy array, got list"),
            (Any, object(), "a object cannot be stored"),
            (SecretStr, SecretStr("x"), "loses what it holds"),
        ],
    )
    def test_a_misfit_is_refused_with_a_sentence(self, annotation: Any, value: Any, sentence: str) -> None:
        with pytest.raises(InvalidArgument, match=sentence):
            value_type(annotation).validate(value)

    def test_an_int_serves_as_a_float_and_becomes_one(self) -> None:
        assert type(value_type(float).validate(2)) is float
        assert [type(item) for item in value_type(list[float]).validate([1, 2.0])] == [float, float]
        given_point = Point(1, 2)
        kept = value_type(Point).validate(given_point)
        assert type(kept.y) is float
        assert type(given_point.y) is int  # the caller's own is left as it is

    def test_a_subclass_of_a_scalar_becomes_the_scalar(self) -> None:
        assert type(value_type(int).validate(Level.LOW)) is int
        assert type(value_type(float).validate(np.float64(1))) is float

    @pytest.mark.parametrize(
        ("annotation", "wrap"),
        [
            (Point, lambda point: point),
            (list[Point], lambda point: [point]),
            (dict[str, Point], lambda point: {"a": point}),
            (tuple[Point, ...], lambda point: (point,)),
            (Point | None, lambda point: point),
            (User, lambda point: User.model_construct(name="a", pets=[], home=point)),
        ],
    )
    def test_a_subclass_instance_is_refused_at_any_depth(self, annotation: Any, wrap: Callable[[Any], Any]) -> None:
        with pytest.raises(InvalidArgument):
            value_type(annotation).validate(wrap(Point3(1, 2.0)))

    def test_a_value_that_contains_itself_is_refused(self) -> None:
        tree = Tree(1)
        tree.children.append(tree)
        for use in (value_type(Tree).validate, value_type(Tree).encode, value_type(list).validate):
            with pytest.raises(InvalidArgument, match="contains itself"):
                use(tree if use is not value_type(list).validate else _endless())

    def test_text_with_a_surrogate_is_refused_when_it_is_encoded(self) -> None:
        with pytest.raises(InvalidArgument, match="surrogate"):
            value_type(list[str]).encode(["\ud800"])

    def test_the_kept_list_is_not_the_callers(self) -> None:
        mine = ["a"]
        assert value_type(list[str]).validate(mine) is not mine


def _endless() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


class Hash(BaseModel):
    secret: str

    @field_validator("secret")
    @classmethod
    def _hash(cls, value: str) -> str:
        return f"hashed {value}"


class TestRecords:
    def test_no_code_of_the_class_runs_again(self) -> None:
        kind = value_type(Hash)
        value = Hash(secret="x")
        assert kind.decode(kind.encode(kind.validate(value))).secret == "hashed x"
        counted = Counted(["a"])
        counted.count = 7
        assert value_type(Counted).copy(counted).count == 7

    def test_unset_fields_of_a_model_stay_unset(self) -> None:
        kind = value_type(Cat)
        assert kind.copy(Cat()).model_dump(exclude_unset=True) == {}
        assert kind.copy(Cat(lives=1)).model_fields_set == {"lives"}
        assert kind.copy(Cat(kind="cat", lives=1)).model_fields_set == {"kind", "lives"}

    def test_extra_fields_of_a_model_are_kept(self) -> None:
        back = value_type(Open).copy(Open.model_validate({"name": "a", "when": (1, 2)}))
        assert back.model_extra == {"when": (1, 2)}
        assert back._seen == 0

    def test_private_attributes_and_cached_properties_start_anew(self) -> None:
        class Account(BaseModel):
            name: str
            _log: list[str] = PrivateAttr(default_factory=lambda: ["made"])

            @cached_property
            def upper(self) -> str:
                return self.name.upper()

        account = Account(name="a")
        assert account.upper == "A"
        assert value_type(Account).copy(account) == Account(name="a")
        account._log.append("changed")
        assert value_type(Account).copy(account)._log == ["made"]

    def test_copies_of_models_share_nothing_that_can_change(self) -> None:
        class Song(BaseModel):
            name: str
            stars: int = 0

            @cached_property
            def words(self) -> list[str]:
                return self.name.split()

        song = Song(name="a b")
        assert song.words == ["a", "b"]
        [copied] = value_type(list[Song]).copy([song])
        copied.stars = 5
        assert (copied.words, song) == (["a", "b"], Song(name="a b"))
        assert copied.words is not song.words
        assert song.model_fields_set == {"name"}

    def test_models_in_a_list_read_what_was_written_before_their_class_changed(self) -> None:
        class Song(BaseModel):
            name: str
            stars: int = 0

        kind = value_type(list[Song])
        songs = [Song(name="a"), Song(name="b", stars=1)]
        assert [song.model_fields_set for song in kind.decode(kind.encode(songs))] == [{"name"}, {"name", "stars"}]
        old = value_type(list[dict[str, str]]).encode([{"name": "a", "gone": "x"}])
        assert kind.decode(old) == [Song(name="a")]
        for wrong in ([{"stars": 1}], [{"name": 1}], {"name": "a"}):
            with pytest.raises(InvalidArgument):
                kind.decode(value_type(Any).encode(wrong))

    def test_an_added_field_takes_its_default_and_a_removed_one_is_ignored(self) -> None:
        @dataclass
        class Old:
            x: int
            gone: str

        data = value_type(Old).encode(Old(1, "x"))

        @dataclass
        class New:
            x: int
            tags: list[str]
            label: str = "new"

        @dataclass
        class Newer:
            x: float
            label: str = "new"

        class Model(BaseModel):
            x: int
            tags: list[str] = Field(default_factory=list)

        assert value_type(Newer).decode(data) == Newer(1.0)
        assert value_type(Model).decode(data) == Model(x=1)
        with pytest.raises(InvalidArgument, match=r"New\.tags is not in the stored value and has no default"):
            value_type(New).decode(data)

    def test_a_longer_or_shorter_named_tuple_is_read(self) -> None:
        kind = value_type(Pair)
        assert kind.decode(bytes.fromhex("9101")) == Pair(1)
        assert kind.decode(bytes.fromhex("93019002")) == Pair(1)

    def test_stored_bytes_of_another_shape_are_refused(self) -> None:
        with pytest.raises(InvalidArgument, match="the stored value does not fit int: expected int, got str 'a'"):
            value_type(int).decode(value_type(str).encode("a"))

    @pytest.mark.parametrize("annotation", [Pet, Tagged])
    @pytest.mark.parametrize("tag", ["80", "81 a46b696e64 a3636f77", "81 a46b696e64 90", "c0", "05"])
    def test_an_unknown_tag_is_refused(self, annotation: Any, tag: str) -> None:
        with pytest.raises(InvalidArgument, match="expected Cat or Dog"):
            value_type(annotation).decode(bytes.fromhex(tag))

    def test_a_compiled_class_can_still_be_pickled_by_value(self) -> None:
        source = "from dataclasses import dataclass\n@dataclass\nclass Local:\n    x: int\n"
        space: dict[str, Any] = {"__name__": "__main__"}
        exec(source, space)
        local = space["Local"]
        kind = value_type(list[local])
        back = pickle.loads(cloudpickle.dumps(local))
        assert back(1).x == 1
        gc.collect()
        assert kind.copy([local(1)]) == [local(1)]


class TestDatetimes:
    def test_an_aware_datetime_keeps_its_offset(self) -> None:
        moment = datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2, seconds=3)))
        back = value_type(datetime).decode(value_type(datetime).encode(moment))
        assert back.isoformat() == moment.isoformat()


class TestArrays:
    @pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4)])
    @pytest.mark.parametrize("dtype", ["f4", ">i2", "?", "c16", "U3", "S2", "M8[ns]"])
    def test_an_array_comes_back_writable_and_unshared(self, dtype: str, shape: tuple[int, ...]) -> None:
        kind = value_type(np.ndarray)
        given_array = np.zeros(shape, dtype)
        back = kind.copy(kind.validate(given_array))
        assert back.dtype == given_array.dtype
        assert back.shape == shape
        assert (back == given_array).all()
        assert back.flags.writeable
        assert not np.shares_memory(back, given_array)

    def test_a_view_in_another_order_comes_back_equal(self) -> None:
        given_array = np.arange(6.0).reshape(2, 3).T[::-1]
        assert (value_type(np.ndarray).copy(given_array) == given_array).all()

    def test_arrays_are_fields_of_records(self) -> None:
        @dataclass
        class Frame:
            pixels: npt.NDArray[np.uint8]
            n: int = 0

        back = value_type(Frame).copy(Frame(np.ones((2, 2), np.uint8)))
        assert back.pixels.sum() == 4


class TestPickled:
    def test_any_picklable_value_is_kept_as_bytes(self) -> None:
        kind = value_type(Pickled[object])
        assert kind.pickled
        assert not kind.immutable
        doubled = kind.decode(kind.encode(kind.validate(lambda x: 2 * x)))
        assert doubled(4) == 8
        assert isinstance(decode_dynamic(kind.encode(1)), bytes)

    def test_it_may_be_a_field_of_a_record(self) -> None:
        @dataclass
        class Job:
            run: Pickled[Callable[[int], int]]

        assert value_type(Job).copy(Job(abs)).run is abs

    def test_what_cannot_be_pickled_is_refused(self) -> None:
        with pytest.raises(InvalidArgument, match="generator cannot be pickled"):
            value_type(Pickled[Any]).encode(iter(x for x in ()))


class TestDeclarations:
    @pytest.mark.parametrize(
        ("annotation", "sentence"),
        [
            (str | UUID, r"str \| UUID is ambiguous.*stored str.*stored UUID.*discriminator"),
            (Point | Point3, r"Point \| Point3 is ambiguous"),
            (Cat | Dog, r"Cat \| Dog is ambiguous"),
            (date | datetime, "ambiguous"),
            (list[int] | set[int], "ambiguous"),
            (list[int] | list[float], "ambiguous"),
            (Any | UUID, "ambiguous"),
            (socket.socket, r"socket cannot be stored.*Pickled\[socket\]"),
            (Callable[[int], int], r"Pickled\[Callable\[\[int\], int\]\]"),
            (type[int], "cannot be stored"),
            (list[socket.socket], "socket cannot be stored"),
            ("User", "cannot be resolved"),
            (TypeVar("T"), "cannot be resolved"),
            (list["Nowhere"], "'Nowhere'.* cannot be resolved"),  # type: ignore[name-defined]  # noqa: F821
            (Enum, "Enum has no members"),
            (set[Point], "elements of a set must be immutable"),
            (dict[Point, int], "keys of a dict must be immutable"),
            (Annotated[Cat | Point, Field(discriminator="kind")], "give Point a field 'kind'"),
        ],
    )
    def test_what_cannot_be_stored_or_told_apart_is_refused(self, annotation: Any, sentence: str) -> None:
        with pytest.raises(DeclarationError, match=sentence):
            value_type(annotation)

    def test_the_field_of_a_class_is_named(self) -> None:
        @dataclass
        class Holder:
            wire: socket.socket

        with pytest.raises(DeclarationError, match=r"Holder\.wire: socket cannot be stored"):
            value_type(Holder)

    @pytest.mark.parametrize(
        "annotation",
        [int, str, UUID, datetime, Colour, Ref["User"], tuple[int, str], frozenset[str], int | None, Fixed, Frozen],
    )
    def test_values_that_cannot_change_are_shared(self, annotation: Any) -> None:
        assert value_type(annotation).immutable

    @pytest.mark.parametrize("annotation", [list[int], Point, Pair, User, Open, tuple[list[int], int], Any, np.ndarray])
    def test_values_that_can_change_are_copied(self, annotation: Any) -> None:
        assert not value_type(annotation).immutable

    def test_only_unconstrained_scalars_and_enums_have_an_exact_class(self) -> None:
        assert [value_type(kind).exact for kind in (int, str, None, Colour)] == [int, str, type(None), Colour]
        assert value_type(Annotated[int, Field(gt=0)]).exact is None
        assert value_type(int | None).exact is None
        assert value_type(Point).exact is None

    def test_an_annotation_is_compiled_once(self) -> None:
        assert value_type(list[Point]) is value_type(list[Point])


@pytest.mark.parametrize(
    ("annotation", "value", "data"),
    [
        (int, 5, "05"),
        (int, 2**64, "c709 01 010000000000000000"),
        (float, 1.5, "cb3ff8000000000000"),
        (str, "é", "a2c3a9"),
        (bytes, b"\x00", "c40100"),
        (datetime, datetime(2024, 5, 1, tzinfo=UTC), "b9" + b"2024-05-01T00:00:00+00:00".hex()),
        (date, date(2024, 5, 1), "aa" + b"2024-05-01".hex()),
        (timedelta, timedelta(days=1, seconds=2), "a6" + b"P1DT2S".hex()),
        (Decimal, Decimal("1.50"), "a4" + b"1.50".hex()),
        (UUID, UUID(int=1), "d924" + b"00000000-0000-0000-0000-000000000001".hex()),
        (Colour, Colour.RED, "a3" + b"red".hex()),
        (Point, Point(1, 2.0, "a"), "83 a178 01 a179 cb4000000000000000 a56c6162656c a161"),
        (Pair, Pair(1, ["a"]), "92 01 91a161"),
        (Cat, Cat(lives=1), "83 a46b696e64 a3636174 a56c69766573 01 a0 91a46b696e64"),
        (Ref["User"], ObjectRef("User", "al"), "c709 0b 92 a455736572 a2616c"),
        (dict[tuple[int, int], str], {(1, 2): "a"}, "91 92 92 01 02 a161"),
        (np.ndarray, np.array([1, 2], "<i2"), "c70d 10 93 a33c6932 91 02 c404 01000200"),
    ],
)
def test_the_format_of_version_1_stays_as_it_is(annotation: Any, value: Any, data: str) -> None:
    kind = value_type(annotation)
    assert kind.encode(value).hex() == data.replace(" ", "")
    assert np.all(kind.decode(bytes.fromhex(data)) == value)
