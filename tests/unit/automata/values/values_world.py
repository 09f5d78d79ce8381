"""Types of every kind that values can have, and strategies that draw them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, Optional, TypedDict
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Discriminator, Field, PrivateAttr, Tag

from automata.reference import ObjectRef, Ref


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2**70


class Unit(StrEnum):
    METRE = "m"


class Mixed(Enum):
    TEXT = "1"
    NUMBER = 1
    PAIR = (1, 2)


class Right(Flag):
    READ = 1
    WRITE = 2


@dataclass
class Point:
    x: int
    y: float
    label: str = "here"


@dataclass
class Point3(Point):
    z: int = 0


@dataclass(frozen=True, slots=True)
class Fixed:
    at: tuple[int, ...]
    on: date
    owner: Ref[User] | None = None


@dataclass
class Counted:
    words: list[str]
    count: int = field(init=False)

    def __post_init__(self) -> None:
        self.count = len(self.words)


@dataclass
class Tree:
    value: int
    children: list[Tree] = field(default_factory=list)


class Pair(NamedTuple):
    left: int
    right: list[str] = []


class Settings(TypedDict):
    theme: str
    size: NotRequired[int]


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog", "puppy"] = "dog"
    name: str


def kind_of(value: Any) -> str:
    return value["kind"] if isinstance(value, dict) else value.kind


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
Tagged = Annotated[
    Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(lambda v: kind_of(v).replace("puppy", "dog"))
]


class User(BaseModel):
    name: str
    pets: list[Pet] = []
    home: Point | None = None
    friend: Optional[User] = None  # noqa: UP045 -- both spellings must work
    when: datetime | None = None
    scores: dict[Colour, float] = {}


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    name: str
    tags: frozenset[str] = frozenset()


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str
    _seen: int = PrivateAttr(default=0)


UserId = NewType("UserId", int)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ints = st.integers() | st.integers(-3, 3)
floats = st.floats(allow_nan=False)
refs = st.builds(ObjectRef, st.just("User"), texts)
zones = st.none() | st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
moments = st.datetimes(timezones=zones)
points = st.builds(Point, ints, floats, texts)
cats, dogs = st.builds(Cat, lives=ints), st.builds(Dog, name=texts, kind=st.sampled_from(["dog", "puppy"]))
trees = st.recursive(
    st.builds(Tree, ints), lambda kids: st.builds(Tree, ints, st.lists(kids, max_size=3)), max_leaves=5
)
users = st.recursive(
    st.builds(User, name=texts),
    lambda friend: st.builds(
        User,
        name=texts,
        pets=st.lists(cats | dogs, max_size=2),
        home=st.none() | points,
        friend=friend,
        when=st.none() | moments,
        scores=st.dictionaries(st.sampled_from(Colour), floats),
    ),
    max_leaves=3,
)

KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (None, st.none()),
    (bool, st.booleans()),
    (int, ints),
    (UserId, ints),
    (float, floats),
    (str, texts),
    (bytes, st.binary()),
    (datetime, moments),
    (date, st.dates()),
    (time, st.times(timezones=zones)),
    (list[time], st.lists(st.times(timezones=zones))),
    (timedelta, st.timedeltas()),
    (Decimal, st.decimals(allow_nan=False)),
    (UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Unit, st.sampled_from(Unit)),
    (Mixed, st.sampled_from(Mixed)),
    (Right, st.sampled_from([Right.READ, Right.WRITE, Right.READ | Right.WRITE, Right(0)])),
    (Literal["a", 1, True, None], st.sampled_from(["a", 1, True, None])),
    (Literal[Mixed.PAIR, "x"], st.sampled_from([Mixed.PAIR, "x"])),
    (Ref["User"], refs),
    (ObjectRef, refs),
    (list[int], st.lists(ints)),
    (list[list[str]], st.lists(st.lists(texts))),
    (set[int], st.sets(ints)),
    (frozenset[UUID], st.frozensets(st.uuids())),
    (tuple[int, ...], st.lists(ints).map(tuple)),
    (tuple[int, str, Point], st.tuples(ints, texts, points)),
    (tuple[()], st.just(())),
    (dict[str, int], st.dictionaries(texts, ints)),
    (dict[int, str], st.dictionaries(ints, texts)),
    (dict[tuple[int, str], datetime], st.dictionaries(st.tuples(ints, texts), moments)),
    (dict[Colour, Point], st.dictionaries(st.sampled_from(Colour), points)),
    (dict[Mixed, int], st.dictionaries(st.sampled_from(Mixed), ints)),
    (dict[Ref["User"], int], st.dictionaries(refs, ints)),
    (set[Ref["User"]], st.sets(refs)),
    (int | None, st.none() | ints),
    (int | str | bytes, ints | texts | st.binary()),
    (int | float, ints | floats),
    (list[int] | list[str], st.lists(ints) | st.lists(texts)),
    (Ref["User"] | str, refs | texts),
    (Point | int | None, points | ints | st.none()),
    (Colour | int, st.sampled_from(Colour) | ints),
    (Annotated[int, Field(ge=0)], st.integers(0)),
    (Annotated[list[Point], Field(max_length=3)], st.lists(points, max_size=3)),
    (Point, points),
    (list[Point], st.lists(points)),
    (Fixed, st.builds(Fixed, st.lists(ints).map(tuple), st.dates(), st.none() | refs)),
    (Counted, st.builds(Counted, st.lists(texts))),
    (Tree, trees),
    (Pair, st.builds(Pair, ints, st.lists(texts))),
    (Settings, st.fixed_dictionaries({"theme": texts}, optional={"size": ints})),
    (Cat, cats),
    (Pet, cats | dogs),
    (Tagged, cats | dogs),
    (Annotated[Cat | Dog | None, Field(discriminator="kind")], cats | dogs | st.none()),
    (dict[str, Pet], st.dictionaries(texts, cats | dogs)),
    (User, users),
    (Frozen, st.builds(Frozen, name=texts, tags=st.frozensets(texts))),
    (Open, st.builds(Open, name=texts, size=ints, where=st.tuples(ints))),
    (Any, st.tuples(ints, st.lists(texts))),
    (list, st.lists(ints | st.tuples(ints))),
    (dict, st.dictionaries(ints | st.tuples(ints), texts)),
    (set, st.sets(ints | st.tuples(ints))),
    (PurePosixPath, texts.map(PurePosixPath)),
    (complex, st.complex_numbers(allow_nan=False)),
]
