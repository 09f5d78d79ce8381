"""Methods: arguments and results are checked, and pass by value in every direction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from automata import List, Ref, object_type, readonly, ref, send
from automata.app import App
from automata.errors import InvalidArgument
from automata.methods import Method
from tests.memory_app import in_app, settled


class Form(BaseModel):
    n: int = 0
    tags: list[str] = []


class WiderForm(Form):
    more: int = 0


@dataclass
class Card:
    labels: list[str] = field(default_factory=list)


SHARED = np.zeros(3)


@object_type
class Desk:
    n: int = 0
    names: list[str] = []
    forms: List[Form]

    async def add(self, amount: int, *, twice: bool = False, note: str = "-") -> tuple[int, str]:
        self.n += amount * (2 if twice else 1)
        return self.n, note

    async def only_positional(self, amount: int, /) -> int:
        return amount

    async def with_list(self, items: list[int] = []) -> list[int]:  # noqa: B006 - copied for each call
        items.append(1)
        return items

    async def file(self, form: Form) -> Form:
        self.forms.append(form)
        form.tags.append("filed")
        return form

    async def give_names(self) -> list[str]:
        self.names.append("x")
        return self.names

    @readonly
    async def names_now(self) -> list[str]:
        return self.names

    @readonly
    async def filed(self) -> list[Form]:
        return list(self.forms)

    async def unannotated(self, value, other=None):  # type: ignore[no-untyped-def]
        value.append("changed")
        return value

    async def wrong_result(self) -> int:
        self.n += 1
        return "five"  # type: ignore[return-value]

    async def real(self, x: float) -> float:
        return x

    async def meet(self, other: Ref[Desk]) -> Ref[Desk]:
        return self  # type: ignore[return-value]  # becomes its ref

    async def keep_result(self, other: Ref[Desk]) -> int:
        names = await other.give_names()
        names.append("mine")
        return len(names)

    async def send_list(self, other: Ref[Desk]) -> None:
        form = Form(tags=["sent"])
        send(other.file(form))
        form.tags.append("afterwards")

    async def open_end(self, x: Any) -> Any:
        return x

    async def shared(self) -> np.ndarray:
        return SHARED

    async def label(self, text: str) -> str:
        return text

    async def pair(self, pair: tuple[str, int]) -> None:
        self.n += pair[1]

    async def nothing(self) -> None:
        return 5  # type: ignore[return-value]


@in_app
async def test_arguments_bind_as_in_python(app: App) -> None:
    desk = ref(Desk, "d")
    assert await desk.add(1) == (1, "-")
    assert await desk.add(amount=1, twice=True) == (3, "-")
    assert await desk.add(1, note="hi") == (4, "hi")
    assert await desk.only_positional(4) == 4


BAD: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1, 2), {}),
    ((1,), {"amount": 1}),
    ((1,), {"unknown": 1}),
    (("5",), {}),
    ((True,), {}),
    ((1.0,), {}),
    ((None,), {}),
    ((1,), {"twice": 1}),
    ((1,), {"note": None}),
    ((1,), {"note": "\ud800"}),
]


@pytest.mark.parametrize(("args", "kwargs"), BAD)
@in_app
async def test_what_does_not_fit_is_refused_before_anything_runs(
    app: App, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgument, match=r"Desk\.add"):
        await ref(Desk, "d").add(*args, **kwargs)
    with pytest.raises(InvalidArgument, match=r"Desk\.add"):
        send(ref(Desk, "d").add(*args, **kwargs))
    assert not await app.exists(ref(Desk, "d"))


@in_app
async def test_a_bad_argument_is_named(app: App) -> None:
    with pytest.raises(InvalidArgument, match="amount"):
        await ref(Desk, "d").add("x")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="only_positional"):
        await ref(Desk, "d").only_positional(amount=1)  # type: ignore[call-arg]


@in_app
async def test_an_int_serves_as_a_float(app: App) -> None:
    result = await ref(Desk, "d").real(3)
    assert (result, type(result)) == (3.0, float)


@in_app
async def test_a_subclass_where_a_base_is_declared_is_refused(app: App) -> None:
    with pytest.raises(InvalidArgument, match="form"):
        await ref(Desk, "d").file(WiderForm())


@in_app
async def test_a_default_is_copied_for_each_call(app: App) -> None:
    assert await ref(Desk, "d").with_list() == [1]
    assert await ref(Desk, "d").with_list() == [1]


@in_app
async def test_arguments_pass_by_value(app: App) -> None:
    items, form = [5], Form(n=1, tags=["mine"])
    assert await ref(Desk, "d").with_list(items) == [5, 1]
    assert items == [5]
    filed = await ref(Desk, "d").file(form)
    assert (form.tags, filed.tags) == (["mine"], ["mine", "filed"])
    filed.tags.append("outside")
    form.tags.append("outside")
    assert await ref(Desk, "d").filed() == [Form(n=1, tags=["mine", "filed"])]


@in_app
async def test_results_pass_by_value_even_of_the_state_itself(app: App) -> None:
    names = await ref(Desk, "d").give_names()
    names.append("outside")
    assert await ref(Desk, "d").names_now() == ["x"]
    (await ref(Desk, "d").names_now()).append("outside")
    assert await ref(Desk, "d").names_now() == ["x"]


@in_app
async def test_results_pass_by_value_between_objects(app: App) -> None:
    assert await ref(Desk, "a").keep_result(ref(Desk, "b")) == 2
    assert await ref(Desk, "b").names_now() == ["x"]


@in_app
async def test_messages_pass_by_value_as_they_are_when_sent(app: App) -> None:
    await ref(Desk, "a").send_list(ref(Desk, "b"))
    await settled(ref(Desk, "b").filed, [Form(tags=["sent", "filed"])])
    form = Form(tags=["client"])
    send(ref(Desk, "c").file(form))
    form.tags.append("afterwards")
    await settled(ref(Desk, "c").filed, [Form(tags=["client", "filed"])])


@in_app
async def test_parameters_without_annotation_take_what_can_travel_by_value(app: App) -> None:
    value = ["x", {"deep": (1, 2)}]
    assert await ref(Desk, "d").unannotated(value) == ["x", {"deep": (1, 2)}, "changed"]
    assert value == ["x", {"deep": (1, 2)}]
    with pytest.raises(InvalidArgument):
        await ref(Desk, "d").unannotated(lambda: None)


@in_app
async def test_a_result_that_does_not_fit_is_an_error_and_nothing_happened(app: App) -> None:
    with pytest.raises(InvalidArgument, match=r"result of Desk\.wrong_result"):
        await ref(Desk, "d").wrong_result()
    with pytest.raises(InvalidArgument, match=r"result of Desk\.nothing"):
        await ref(Desk, "d").nothing()
    assert not await app.exists(ref(Desk, "d"))


@in_app
async def test_self_given_where_a_ref_belongs_becomes_it(app: App) -> None:
    assert await ref(Desk, "a").meet(ref(Desk, "b")) == ref(Desk, "a")


@pytest.mark.parametrize(
    "value",
    [None, True, 2**100, -0.5, "text", b"raw", [1, [2]], (1, "a"), {"k": {1, 2}}, {(1, 2): 3}, Form(n=1), Card(["x"])],
    ids=str,
)
@in_app
async def test_any_carries_values_of_every_known_kind(app: App, value: object) -> None:
    result = await ref(Desk, "d").open_end(value)
    assert result == value
    assert type(result) is type(value)


@in_app
async def test_a_value_that_contains_itself_is_refused(app: App) -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidArgument):
        await ref(Desk, "d").open_end(circle)


@in_app
async def test_text_that_cannot_be_stored_is_refused_before_it_is_sent(app: App) -> None:
    desk = ref(Desk, "d")
    for call in (desk.add(1, note="\ud800"), desk.label("\ud800"), desk.pair(("\ud800", 1))):
        with pytest.raises(InvalidArgument, match=r"note|text|pair"):
            await send(call)
    await ref(Desk, "d").label("fine")  # a message that could not be written would have stopped the store


@in_app
async def test_arguments_over_the_limit_of_a_message_are_refused(app: App) -> None:
    large = "x" * (5 << 20)
    for call in (ref(Desk, "d").label(large), ref(Desk, "d").pair((large, 1)), ref(Desk, "d").open_end([large])):
        with pytest.raises(InvalidArgument, match="4 MiB"):
            await call
    with pytest.raises(InvalidArgument, match="4 MiB"):
        send(ref(Desk, "d").pair((large, 1)))


@in_app
async def test_a_result_shares_nothing_with_what_the_method_kept(app: App) -> None:
    (await ref(Desk, "d").shared())[0] = 5
    assert SHARED.tolist() == [0, 0, 0]


@object_type(name="Pinboard")
class Board:
    pinned: List[tuple[str, float]]

    async def pin(self, note: tuple[str, float]) -> None:
        self.pinned.append(note)

    async def pin_all(self, notes: list[tuple[str, float]]) -> None:
        for note in notes:
            await self.pin(note)


def method(name: str) -> Method:
    made = Board.__automaton__  # type: ignore[attr-defined]
    made.resolve()
    found: Method = made.method(name)
    return found


def test_what_goes_to_many_is_checked_and_encoded_once() -> None:
    pin, note = method("pin"), ("hello", 1.5)
    packed = pin.pack((note,), {})
    assert pin.pack((note,), {}) is packed
    assert pin.encode_arguments(packed) is pin.encode_arguments(packed)
    assert pin.size_bytes(packed) == pin.size_bytes((note,))


def test_what_is_equal_only_is_checked() -> None:
    pin = method("pin")
    pin.pack((("hello", 1.0),), {})
    packed = pin.pack((("hello", 2.0),), {})
    assert pin.decode_arguments(pin.encode_arguments(packed)) == (("hello", 2.0),)
    with pytest.raises(InvalidArgument):
        pin.pack((("hello", "2"),), {})


def test_what_can_change_is_taken_anew_each_time() -> None:
    pin_all, notes = method("pin_all"), [("hello", 1.0)]
    first = pin_all.pack((notes,), {})
    notes.append(("again", 2.0))
    second = pin_all.pack((notes,), {})
    assert len(pin_all.unpack(first)[0]) == 1  # type: ignore[arg-type]
    assert len(pin_all.unpack(second)[0]) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("encodes", [True, False])
def test_what_is_large_is_not_kept(encodes: bool) -> None:
    pin, note = method("pin"), ("x" * 20_000, 1.0)
    packed = pin.pack((note,), {})
    (pin.encode_arguments if encodes else pin.size_bytes)(packed)
    assert pin.pack((note,), {}) is not packed


def test_nothing_is_refused_also_as_the_first_argument_ever() -> None:
    pin = method("pin")
    pin.resolve({"note": tuple[str, float], "return": type(None)})
    with pytest.raises(InvalidArgument):
        pin.pack((None,), {})
