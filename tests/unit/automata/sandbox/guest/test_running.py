"""What a guest answers to tasks, in an ordinary Python process and as a WebAssembly module."""

from __future__ import annotations

import asyncio
import json

import pytest

from automata import failure
from automata.errors import RemoteError
from automata.partitions import partition_of
from automata.refs import ref
from automata.values.dynamic import encode_dynamic
from darq import keys
from darq.memory import MemoryStore
from tests.memory_app import memory_app
from tests.unit.automata.sandbox.guest.guest_types import Wide
from tests.unit.automata.sandbox.guest.native_guest import NativeGuest
from tests.unit.automata.sandbox.guest.small_host import NOW, Raised, SmallHost
from tests.unit.automata.sandbox.guest.wasm_guest import WasmGuest

pytestmark = pytest.mark.process

AWAITING = {
    "ask",
    "stale",
    "several",
    "pauses",
    "keyed",
    "later",
    "reads_others",
    "writes_others",
    "foreign",
    "yields",
    "reads_elsewhere",
    "keyed_elsewhere",
}


@pytest.fixture
def wide(guest: NativeGuest | WasmGuest) -> SmallHost:
    host = SmallHost(guest.run, "Wide")
    host.awaits = {*AWAITING, "outside", "transacts"}
    return host


def kind_of(wide: SmallHost, method: str, *args: object) -> tuple[str, str]:
    before = dict(wide.rows)
    with pytest.raises(Raised) as raised:
        wide.call(method, *args)
    assert wide.rows == before
    return raised.value.args[0], raised.value.args[1]


def test_a_guest_leaves_the_rows_that_the_same_class_leaves_natively(wide: SmallHost) -> None:
    store = MemoryStore()

    async def natively() -> None:
        async with memory_app(store):
            one = ref(Wide, "one")
            for text in ("a b a", "c longer"):
                await one.fill(text)
            assert await one.prune() == 4

    for text in ("a b a", "c longer"):
        wide.call("fill", text)
    assert wide.call("prune") == 4
    asyncio.run(natively())
    prefix = keys.partition_key(keys.STATE, partition_of("Wide", "one"))
    rows = store.reopen().scan(prefix, keys.after(prefix), keys.ALL)
    assert wide.rows == {key[len(prefix) :]: value for key, value in rows}


def test_a_result_comes_in_the_declared_encoding(wide: SmallHost) -> None:
    wide.call("fill", "b a b")
    assert wide.call("report") == [1, {"a": 1, "b": 2}, ["b", "a", "b"], [["b", 1], ["a", 1]]]


@pytest.mark.parametrize(
    ("method", "kind", "message"),
    [
        ("sneaky", "automata.errors.ReadOnlyError", "changed 'things' in place"),
        ("assigns", "automata.errors.ReadOnlyError", "Wide.total"),
        ("sends", "automata.errors.ReadOnlyError", "must not send"),
        ("cached", "automata.errors.ReadOnlyError", "must not ask for the time"),
        ("writes_others", "automata.errors.ReadOnlyError", "must not call"),
        ("raises", "guest_types.Broke", "it broke"),
        ("misfit", "darq.errors.InvalidArgument", "expected int"),
        ("undeclared", "automata.errors.StateError", "not declared"),
        ("wrong_result", "darq.errors.InvalidArgument", "expected int"),
        ("leaves", "RuntimeError", "SystemExit"),
        ("recurses", "RecursionError", "maximum recursion depth"),
        ("foreign", "automata.errors.StateError", "automata.sleep"),
        ("yields", "automata.errors.StateError", "foreign"),
        ("outside", "automata.errors.StateError", "effect()"),
        ("transacts", "automata.errors.StateError", "transaction()"),
        ("unheard_of", "automata.errors.UnknownMethod", "unheard_of"),
    ],
)
def test_what_is_raised_is_the_answer_and_nothing_is_left(
    wide: SmallHost, method: str, kind: str, message: str
) -> None:
    wide.call("fill", "a")
    raised, said = kind_of(wide, method)
    assert (raised, message in said) == (kind, True), said


@pytest.mark.parametrize(
    ("what", "kind", "sentence"),
    [
        ("open", "PermissionError", "a sandboxed class has no files"),
        ("listdir", "PermissionError", "a sandboxed class has no files"),
        ("environ", "KeyError", "HOME"),
        ("getcwd", "PermissionError", "a sandboxed class has no files"),
        ("socket", "ModuleNotFoundError", "a sandboxed class has no network"),
        ("threading", "ModuleNotFoundError", "no processes and no threads"),
        ("subprocess", "ModuleNotFoundError", "no processes and no threads"),
        ("numpy", "ModuleNotFoundError", "the standard library and `automata` alone"),
        ("sleep", "automata.errors.StateError", "await sleep(seconds)"),
    ],
)
def test_what_lies_outside_is_refused_with_a_sentence(wide: SmallHost, what: str, kind: str, sentence: str) -> None:
    raised, said = kind_of(wide, "tries", what)
    assert (raised, sentence in said) == (kind, True), said


def test_messages_leave_with_the_step(wide: SmallHost) -> None:
    wide.call("told")
    private, elsewhere = wide.sends
    assert private == ["Wide", "other", "_private", True, b"\x92\xc4\x02\xa1x\xc4\x01\x02", None, None]
    assert elsewhere == ["Elsewhere", "z", "thing", False, encode_dynamic([[1], {"b": (2,)}]), None, None]


def test_messages_for_later_are_handed_over_at_once_and_can_be_cancelled(wide: SmallHost) -> None:
    first, cancelled, not_cancelled = wide.call("later")
    (dispatch, due_ms, rule), (_, _, cron) = wide.scheduled
    assert (dispatch[:4], due_ms, rule) == (["Wide", "x", "fill", True], int((NOW + 5) * 1000), b"")
    assert cron == b"c0 9 * * MON"
    assert (first, cancelled, not_cancelled) == (f"0000abcd-1-{due_ms:x}", "True", "False")
    assert wide.asked == ["now", "schedule", "now", "schedule", "cancel", "cancel"]


def test_a_deleted_object_is_empty_and_what_is_written_after_is_its_new_life(wide: SmallHost) -> None:
    wide.call("fill", "a")
    wide.call("gone")
    assert wide.call("report")[2] == ["new"]
    assert wide.call("report")[0] == 0


def test_an_await_ends_the_part_and_the_next_one_reads_anew(wide: SmallHost) -> None:
    wide.call("fill", "a")
    wide.outcomes = [[(0, b"\x05")]]

    def another_method_runs() -> None:
        assert wide.rows[b"total\x00\x01"] == b"\x02"
        wide.rows[b"total\x00\x01"] = b"\x0a"

    wide.between = another_method_runs
    assert wide.call("ask", "two") == 15
    assert wide.points == [["call", [["Wide", "two", "size", True, b"\x90", None, None]]]]
    assert wide.call("report")[2] == ["after 2 10", "before", "a"]
    assert [dispatch[2] for dispatch in wide.sends] == ["told"], "each part has its own messages"


def test_a_value_read_before_an_await_must_not_be_changed_after_it(wide: SmallHost) -> None:
    wide.outcomes = [[(0, b"\x05")]]
    kind, message = kind_of(wide, "stale")
    assert kind == "automata.errors.StateError"
    assert "read it again" in message


def test_gathered_calls_are_one_point_and_give_their_results_in_order(wide: SmallHost) -> None:
    wide.outcomes = [[(0, b"\x05"), (1, encode_dynamic((1, 2)))]]
    assert wide.call("several") == "[5, (1, 2)]"
    kind, dispatches = wide.points[0]
    assert (kind, [d[:4] for d in dispatches]) == (
        "gather",
        [["Wide", "x", "size", True], ["Elsewhere", "y", "thing", False]],
    )


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (ValueError("bad"), "ValueError bad"),
        (RemoteError("guest_types.Broke", "it broke"), "Broke it broke"),
        (RemoteError("other.Fault", "far"), "RemoteError other.Fault: far"),
    ],
)
def test_an_error_that_is_awaited_is_raised_as_natively(wide: SmallHost, error: Exception, seen: str) -> None:
    wide.outcomes = [[(0, b"\x05"), (2, failure.encode(error))]]
    assert wide.call("several") == seen


def test_a_pause_is_a_point_and_what_earlier_parts_drew_and_said_stays(wide: SmallHost) -> None:
    wide.outcomes = [[(1, b"\xc0")]]
    assert wide.call("pauses") == [NOW, NOW + 1]
    assert wide.points == [["sleep", 1.5]]
    assert wide.logged == [(20, "once")]


def test_the_options_of_a_call_go_along(wide: SmallHost) -> None:
    wide.outcomes = [[(0, b"\x05")]]
    assert wide.call("keyed") == 5
    assert wide.points[0][1][0][5:] == ["k", 2.0]


def test_calls_of_other_types_are_for_the_host_to_judge(wide: SmallHost) -> None:
    wide.outcomes = [[(1, encode_dynamic("seen"))], [(1, encode_dynamic("done"))]]
    assert wide.call("reads_elsewhere") == "seen"
    assert wide.call("keyed_elsewhere") == "done"


def test_a_readonly_method_goes_on_with_what_it_had_read(wide: SmallHost) -> None:
    wide.call("fill", "a")
    wide.outcomes = [[(0, b"\x05")]]
    assert wide.call("reads_others") == 6


def test_clock_and_chance_are_the_hosts(wide: SmallHost) -> None:
    first = wide.call("chance")
    assert first == wide.call("chance"), "nothing but the host's answers decides"
    assert set(wide.asked) == {"now", "entropy"}
    assert first[0] == "0.6229016948897019", "a seed of one's own counts"
    assert first[-4].startswith("17000000")
    assert first[-3].startswith("2023-11-14 22:13:")
    assert first[-2:] == ["2023", "2023"]


def test_what_is_printed_and_logged_goes_to_the_host(wide: SmallHost) -> None:
    wide.call("talks")
    assert wide.logged == [(20, "printed 1"), (20, "logged 2"), (30, "warned")]


def test_what_methods_import_is_there(wide: SmallHost) -> None:
    assert wide.call("late_import") == "22020"


def test_a_task_that_is_damaged_is_answered_with_an_error(guest: NativeGuest | WasmGuest) -> None:
    assert guest.run(b"\xc1\xc1", lambda name, args: None)[1] == 1


def test_a_traceback_shows_the_users_lines(wide: SmallHost) -> None:
    with pytest.raises(Raised) as raised:
        wide.call("raises")
    assert 'File "guest_types.py"' in raised.value.args[2]
    assert 'raise Broke("it broke")' in raised.value.args[2]


def test_the_manifest_tells_types_fields_and_methods(guest: NativeGuest | WasmGuest) -> None:
    [made] = json.loads(guest.manifest)["types"]
    assert (made["name"], made["version"], made["doc"]) == ("Wide", 1, "Of all kinds of fields.")
    assert made["options"] == {"time_to_live": 60.0}
    forms = {field["name"]: field.get("type") or [field.get("key"), field["value"]] for field in made["fields"]}
    point = ["record", "Point", [["x", "int", True], ["y", "float", False], ["tags", ["list", "str"], False]]]
    assert forms == {
        "total": "int",
        "share": "float",
        "when": ["union", "datetime", "none"],
        "price": "decimal",
        "point": point,
        "pair": ["tuple", "int", "str"],
        "opts": ["record", "Opts", [["deep", "bool", True], ["note", "str", False]]],
        "color": ["literal", "red", "blue"],
        "mode": ["literal", "a", "b", 3],
        "things": ["list", ["dict", "str", "int"]],
        "friend": ["union", ["ref", "Wide"], "none"],
        "anything": "any",
        "ids": [None, "uuid"],
        "by": [["tuple", "str", "int"], point],
        "words": ["str", "int"],
        "log": [None, "str"],
    }
    methods = {method["name"]: method for method in made["methods"]}
    assert methods["ask"]["awaits"]
    assert not methods["fill"]["awaits"]
    assert methods["_private"]["parameters"] == [
        {"name": "text", "type": "str", "default": None},
        {"name": "number", "type": "int", "default": "Aw=="},
    ]


def test_a_guest_holds_little_of_the_engine_and_no_event_loop(wide: SmallHost) -> None:
    loaded = set(wide.call("loaded"))
    assert "automata.state" in loaded
    assert not loaded & {"automata.host", "automata.testing", "darq.log", "asyncio.events", "socket", "subprocess"}
