"""Objects stored by an older version of their class: migrated when first touched, each as one step of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from automata import List, Map, Pickled, Ref, Retry, Set, now, object_type, readonly, ref, send
from automata.errors import StateError
from automata.stored_fields import StoredFields
from darq import keys
from darq.errors import OutcomeUnknown
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_loop, listed, memory_app, settled

RUNS: list[int] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    RUNS.clear()


@dataclass
class Note:
    text: str


def version_1() -> Any:
    @object_type
    class Person:
        __qualname__ = "Person"
        first: str = ""
        last: str = ""
        tags: list[str] = []
        notes: List[Note]
        ages: Map[str, int]
        friends: Set[str]
        secret: Pickled[object] = None

        async def fill(self) -> None:
            self.first, self.last = "Ada", "Lovelace"
            self.tags.append("math")
            for n in range(1000):
                self.notes.append(Note(str(n)))
            self.ages["a"] = 1
            self.friends.add("b")
            self.secret = {1, 2}

        async def call_on(self, other: Ref[Any]) -> str:
            return await ref("Person", "p").greet()

    return Person


def version_2(migrate: Any, **options: Any) -> Any:
    @object_type(version=2, migrate=migrate, **options)
    class Person:
        __qualname__ = "Person"
        name: str = "?"
        tags: Set[str]
        notes: List[Note]
        ages: list[int] = []
        friends: Set[str]
        greeted: int = 0

        async def greet(self) -> str:
            self.greeted += 1
            return f"hello {self.name}"

        @readonly
        async def look(self) -> str:
            return self.name

        @readonly
        async def look_around(self) -> tuple[str, list[str], int, list[int], list[str]]:
            return self.name, list(self.tags), len(self.notes), self.ages, list(self.friends)

        @readonly
        async def look_later(self) -> str:
            await ref("Person", "q").look()
            return self.name

    return Person


def join(self: Any, old: Mapping[str, Any], version: int) -> None:
    RUNS.append(version)
    self.name = f"{old['first']} {old['last']}"
    self.tags.update(old["tags"])
    self.ages = list(old["ages"].values())


async def stored_by_version_1() -> MemoryStore:
    store = MemoryStore()
    person = version_1()
    async with memory_app(store):
        await ref(person, "p").fill()
    return store


async def rows(store: MemoryStore) -> set[bytes]:
    found = store.reopen().scan(keys.STATE, keys.after(keys.STATE), keys.ALL)
    return {keys.split_partition(key)[1].split(b"\x00")[0] for key, _ in found}


MIGRATED = ("Ada Lovelace", ["math"], 1000, [1], ["b"])


@pytest.mark.parametrize("method", ["greet", "look", "look_later"])
@in_loop
async def test_the_first_touch_of_any_kind_migrates_once(method: str) -> None:
    store = await stored_by_version_1()
    person = version_2(join)
    async with memory_app(store):
        assert "Ada Lovelace" in await getattr(ref(person, "p"), method)()
        assert await ref(person, "p").look_around() == MIGRATED
    async with memory_app(store):
        assert await ref(person, "p").look_around() == MIGRATED
    assert RUNS == [1]
    assert await rows(store) >= {b"name", b"tags", b"notes", b"ages", b"friends"}
    assert not await rows(store) & {b"first", b"last", b"secret"}


@in_loop
async def test_a_message_and_inspecting_migrate_too() -> None:
    store = await stored_by_version_1()
    person = version_2(join)
    async with crashing(store) as app:
        assert (await app.inspect(ref(person, "p")))["name"] == "Ada Lovelace"
    async with memory_app(store):
        send(ref(person, "p").greet())
        await settled(ref(person, "p").look_around, MIGRATED)


@in_loop
async def test_a_call_from_another_object_migrates() -> None:
    store = await stored_by_version_1()
    person = version_2(join)

    @object_type
    class Caller:
        async def call(self, key: str) -> str:
            return await ref(person, key).greet()

    async with memory_app(store):
        assert await ref(Caller, "c").call("p") == "hello Ada Lovelace"


@in_loop
async def test_old_is_plain_python_and_lazy() -> None:
    store = await stored_by_version_1()
    seen: dict[str, Any] = {}

    def look(self: Any, old: Mapping[str, Any], version: int) -> None:
        assert isinstance(old, StoredFields)
        seen.update({name: old[name] for name in old if name != "notes"}, absent="nothing" in old, count=len(old))
        seen["first_note"] = old["notes"][0]
        assert old.get("nothing") is None
        assert now() > 0

    person = version_2(look)
    async with memory_app(store):
        assert await ref(person, "p").look() == "?"
    first_note, secret = seen.pop("first_note"), seen.pop("secret")
    assert first_note["text"] == "0"
    assert isinstance(secret, bytes)
    assert seen == {
        "first": "Ada",
        "last": "Lovelace",
        "tags": ["math"],
        "ages": {"a": 1},
        "friends": {"b"},
        "absent": False,
        "count": 7,
    }


@in_loop
async def test_a_large_collection_is_not_read_unless_migrate_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    store = await stored_by_version_1()
    person = version_2(lambda self, old, version: None)
    async with memory_app(store) as app:
        assert app._engine is not None
        log, scanned = app._engine.log, 0
        scan = log.scan

        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal scanned
            found = scan(*args, **kwargs)
            scanned += len(found)
            return found

        monkeypatch.setattr(log, "scan", counted)
        await ref(person, "p").look()
        assert scanned < 30


@in_loop
async def test_a_migration_that_raises_changes_nothing_and_a_later_one_works() -> None:
    store = await stored_by_version_1()

    def fail(self: Any, old: Mapping[str, Any], version: int) -> None:
        self.name = "half"
        raise LookupError("no")

    person = version_2(fail, retry=Retry(tries=2, first_seconds=0.0005))
    async with memory_app(store) as app:
        for _ in range(2):
            with pytest.raises(LookupError, match="no"):
                await ref(person, "p").greet()
        with pytest.raises(LookupError, match="no"):
            await ref(person, "p").look()
        send(ref(person, "p").greet())

        async def letters() -> list[str]:
            return [letter.error for letter in await listed(app.dead_letters())]

        await settled(letters, ["LookupError: no"])
    person = version_2(join)
    async with memory_app(store):
        assert await ref(person, "p").look_around() == MIGRATED


@pytest.mark.parametrize("durable", [False, True])
@in_loop
async def test_a_crash_loses_a_migration_whole_or_not_at_all(durable: bool) -> None:
    store = await stored_by_version_1()
    person = version_2(join)
    async with crashing(store):
        if durable:
            await ref(person, "p").look()
        else:
            store.fail_next_write = OSError("the disk has gone")
            call = asyncio.ensure_future(ref(person, "p").greet())
            await asyncio.sleep(0)
            assert RUNS == [1]
    if not durable:
        with pytest.raises(OutcomeUnknown):
            await call
        assert b"first" in await rows(store)
    async with memory_app(store):
        assert await ref(person, "p").look_around() == MIGRATED


@in_loop
async def test_several_versions_are_migrated_at_once_from_the_stored_one() -> None:
    store = await stored_by_version_1()

    @object_type(version=300, migrate=join, name="Person")
    class Person:
        __qualname__ = "Person"
        name: str = "?"
        tags: Set[str]
        ages: list[int] = []

        @readonly
        async def look(self) -> str:
            return self.name

    async with memory_app(store):
        assert await ref(Person, "p").look() == "Ada Lovelace"
    async with memory_app(store):
        assert await ref(Person, "p").look() == "Ada Lovelace"
    assert RUNS == [1]


@in_loop
async def test_a_new_object_is_of_the_newest_version() -> None:
    store = MemoryStore()
    person = version_2(join)
    async with memory_app(store):
        await ref(person, "new").greet()
    async with memory_app(store):
        await ref(person, "new").greet()
    assert RUNS == []


@in_loop
async def test_without_migrate_the_version_is_raised_by_the_next_change() -> None:
    store = await stored_by_version_1()

    def define(number: int) -> Any:
        @object_type(version=number)
        class Person:
            __qualname__ = "Person"
            first: str = ""

            async def rename(self, first: str) -> None:
                self.first = first

            @readonly
            async def look(self) -> str:
                return self.first

        return Person

    async with memory_app(store):
        assert await ref(define(2), "p").look() == "Ada"
    async with memory_app(store):
        assert await ref(define(1), "p").look() == "Ada"
        assert await ref(define(3), "p").rename("Eve") is None
    person = define(1)
    async with memory_app(store) as app:
        with pytest.raises(StateError, match=r"version 3 of Person.*version 1"):
            await ref(person, "p").look()
        with pytest.raises(StateError, match="nothing was changed"):
            await ref(person, "p").rename("Bob")
        send(ref(person, "p").rename("Bob"))

        async def letters() -> int:
            return len(await listed(app.dead_letters()))

        await settled(letters, 1)
    async with memory_app(store):
        assert await ref(define(3), "p").look() == "Eve"


@pytest.mark.parametrize(
    ("stored", "declared"),
    [
        ("value", "map"),
        ("value", "list"),
        ("map", "value"),
        ("set", "mutable"),
        ("list", "pickled"),
        ("mutable", "set"),
    ],
)
@in_loop
async def test_a_field_declared_otherwise_is_a_misfit_and_never_reads_as_empty(stored: str, declared: str) -> None:
    kinds: dict[str, tuple[Any, Any]] = {
        "value": (int, 1),
        "mutable": (list[int], [1]),
        "pickled": (Pickled[object], None),
        "map": (Map[int, int], None),
        "list": (List[int], None),
        "set": (Set[int], None),
    }

    def define(kind: str) -> Any:
        annotation, default = kinds[kind]
        body: dict[str, Any] = {"__annotations__": {"x": annotation}, "__module__": __name__}
        if default is not None or kind == "pickled":
            body["x"] = default

        async def write(self: Any) -> None:
            if kind in {"value", "mutable"}:
                self.x = 7 if kind == "value" else [7]
            elif kind == "map":
                self.x[1] = 1
            else:
                self.x.add(1) if kind == "set" else self.x.append(1)

        async def look(self: Any) -> str:
            return repr(1 in self.x if kind in {"map", "set"} else self.x if kind != "list" else len(self.x))

        return object_type(name="Shape")(type("Shape", (), {**body, "write": write, "look": look}))

    store = MemoryStore()
    async with memory_app(store):
        await ref(define(stored), "s").write()
        shape = define(declared)
    async with memory_app(store) as app:
        with pytest.raises(StateError, match=r"Shape\.x was declared otherwise"):
            await ref(shape, "s").look()
        with pytest.raises(StateError, match=r"Shape\.x was declared otherwise"):
            await app.inspect(ref(shape, "s"))


@in_loop
async def test_a_migration_that_changes_nothing_is_not_repeated() -> None:
    def define(**options: Any) -> Any:
        @object_type(**options)
        class Still:
            __qualname__ = "Still"
            x: int = 0

            async def set(self) -> None:
                self.x = 1

            @readonly
            async def look(self) -> int:
                return self.x

        return Still

    store = MemoryStore()
    async with memory_app(store):
        await ref(define(), "s").set()
    still = define(version=2, migrate=lambda self, old, version: RUNS.append(version))
    for _ in range(2):
        async with memory_app(store):
            assert await ref(still, "s").look() == 1
    assert RUNS == [1]
