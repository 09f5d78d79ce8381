"""What a module says of itself, by people who mean harm: refused in a sentence, or taken for what it is."""

from __future__ import annotations

import asyncio
import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automata import errors, ref
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.manifest import MANIFEST_BYTES_MAX, read_manifest
from automata.sandbox.shims import Guest
from automata.sandbox.targets import Targets
from automata.sandbox.terms import annotation_of
from automata.sandbox.uploaded_type import uploaded_type
from automata.types import Registry
from automata.values.value_type import value_type
from tests.core_modules import core_module, described, method, modules_app, take

_LIMITS = SandboxLimits()


def taken(manifest: object) -> None:
    """All that is done with a description before a module is registered. Raises ModuleRefused."""
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    guest = Guest(None, _LIMITS, Targets(Registry(), "x"), None, True)  # type: ignore[arg-type]
    for made in read_manifest(text, _LIMITS).types:
        uploaded_type(made, guest, "x", core=False)


def refused(manifest: object) -> str:
    with pytest.raises(errors.ModuleRefused) as raised:
        taken(manifest)
    assert len(str(raised.value)) < 2000
    return str(raised.value)


NO_JSON = [
    b"",
    b"null",
    b"[]",
    b"1e999",
    b"{",
    b"\xff",
    b'{"interface": 1}',
    b"[" * 100_000,
    b'{"types":' * 10_000,
    b'{"interface": 1, "types": [' + b'{"name": "A", "doc": "\\ud800"}' + b"]}",
    b'{"interface": ' + b"9" * 5000 + b', "types": []}',
    b" " * (MANIFEST_BYTES_MAX + 1),
    b'{"interface": 1, "types": [], "extra": 1}',
    b'{"interface": 2, "types": [{"name": "A"}]}',
    b'{"interface": true, "types": [{"name": "A"}]}',
    b'{"interface": 1, "types": []}',
    b'{"interface": 1, "types": [{"name": "A", "version": 99999999999999999999}]}',
    b'{"interface": 1, "types": [{"name": "A"}, {"name": "A"}]}',
]


@pytest.mark.parametrize("text", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_description_is_refused(text: bytes) -> None:
    refused(text)


NAMES = [
    "",
    "a b",
    "class",
    "None",
    "__class__",
    "__init__",
    "__del__",
    "é",
    "\u0430",
    "a\n",
    "a.b",
    "a" * 201,
    "1a",
    "-",
    "__dict__",
    "key",
    "_automaton_x",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_none_or_reserved_is_refused_wherever_it_stands(name: str) -> None:
    if name not in {"key", "_automaton_x", "__class__", "__init__", "__del__", "__dict__"}:
        refused(described([], name))
        refused(described([{"name": "go", "parameters": [{"name": name, "type": "int"}]}]))
    refused(described([], fields=[{"name": name, "kind": "value", "type": "int", "default": "AA=="}]))
    if name != "_automaton_x":
        refused(described([method(name)]))


@pytest.mark.parametrize("parameter", ["self", "__class__", "turn", "args"])
def test_parameters_with_odd_names_reach_the_guest_or_are_refused(parameter: str) -> None:
    try:
        taken(described([{"name": "go", "parameters": [{"name": parameter, "type": "int"}]}]))
    except errors.ModuleRefused:
        assert parameter == "self"


TERMS: list[Any] = [
    None,
    1,
    "",
    "object",
    "type",
    "Any",
    "__import__('os')",
    [],
    ["list"],
    ["list", "int", "int"],
    ["dict", "int"],
    ["union"],
    ["literal"],
    ["literal", None],
    ["literal", 1.5],
    ["literal", ["a"]],
    ["ref"],
    ["ref", 1],
    ["ref", "a b"],
    ["record"],
    ["record", "A"],
    ["record", "A", {}],
    ["record", "A", [["x"]]],
    ["record", "a b", []],
    ["record", "A", [[1, "int", True]]],
    ["record", "A", [["x", "nothing", True]]],
    ["list", ["list", ["nothing"]]],
    [["list"], "int"],
    {"list": "int"},
    ["union", ["list", "int"], ["set", "str"]],
    ["tuple*"],
    ["frozenset"],
    ["literal", *range(300)],
    ["record", "A", [[f"x{n}", "int", True] for n in range(300)]],
]


@pytest.mark.parametrize("term", TERMS, ids=lambda term: json.dumps(term)[:40])
def test_a_type_that_there_is_not_is_refused(term: Any) -> None:
    refused(described([method("go", result=term)]))


@pytest.mark.parametrize("depth", [21, 200, 400, 900])
def test_a_type_that_is_nested_too_deep_is_refused(depth: int) -> None:
    text = b'["list",' * depth + b'"int"' + b"]" * depth
    refused(json.dumps(described([method("go", result="HERE")])).encode().replace(b'"HERE"', text))


_leaves = st.sampled_from(
    ["int", "str", "float", "bool", "bytes", "none", "datetime", "decimal", "uuid", "any", "nothing"]
)
_terms = st.recursive(
    st.one_of(_leaves, st.none(), st.lists(st.integers(), max_size=2)),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["list", "set", "frozenset", "tuple*", "ref", "literal"]), inner).map(list),
        st.tuples(st.sampled_from(["dict", "union", "tuple"]), inner, inner).map(list),
        st.tuples(
            st.just("record"),
            st.sampled_from(["A", "B", "int"]),
            st.lists(
                st.tuples(st.text(string.ascii_letters + "_ \0", max_size=5), inner, st.booleans()).map(list),
                max_size=3,
            ),
        ).map(list),
    ),
    max_leaves=6,
)


@given(_terms)
def test_any_type_is_made_or_refused(term: Any) -> None:
    try:
        taken(described([method("go", term, result=term)], fields=[{"name": "rows", "kind": "list", "value": term}]))
    except errors.ModuleRefused:
        return
    value_type(annotation_of(term))


DEFAULTS = ["!", "AA", "", "kw==", "xwUMk6FhoWGA", "xwkQk6FhkQGg", "wcHB"]


@pytest.mark.parametrize("default", DEFAULTS)
def test_a_default_that_is_no_plain_value_of_its_type_is_refused(default: str) -> None:
    for term in ("int", "any"):
        refused(described([], fields=[{"name": "x", "kind": "value", "type": term, "default": default}]))
        refused(described([{"name": "go", "parameters": [{"name": "x", "type": term, "default": default}]}]))


FIELDS: list[dict[str, Any]] = [
    {"name": "x", "kind": "value", "type": "int"},
    {"name": "x", "kind": "thing"},
    {"name": "x", "kind": "map", "key": "int"},
    {"name": "x", "kind": "map", "key": "float", "value": "int"},
    {"name": "x", "kind": "set", "value": "any"},
    {"name": "x", "kind": "list"},
    {"name": "x", "kind": ""},
    {"name": "x", "kind": "map", "key": ["list", "int"], "value": "int"},
]


@pytest.mark.parametrize("field", FIELDS, ids=range(len(FIELDS)))
def test_a_field_that_cannot_be_is_refused(field: dict[str, Any]) -> None:
    refused(described([], fields=[field]))


OPTIONS: list[dict[str, Any]] = [
    {"compute": "worker"},
    {"migrate": "os.system"},
    {"retry": 1},
    {"name": "Other"},
    {"version": 2},
    {"time_to_live": -1},
    {"time_to_live": 1e300},
    {"keys_kept_seconds": 1e300},
    {"keys_kept_seconds": 1 << 62},
    {"time_to_live": "1"},
    {"strict_order": 1},
    {"calls_waiting_max": 0},
    {"keys_kept_seconds": 0},
    {"resuming": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_an_option_that_is_not_for_uploads_or_no_value_is_refused(options: dict[str, Any]) -> None:
    refused(described([], options=options))


@pytest.mark.parametrize("version", [0, -1, 2, 1 << 62])
def test_a_version_that_is_not_1_is_refused_since_nothing_migrates_objects(version: int) -> None:
    refused(described([], version=version))


def test_too_much_of_anything_is_refused() -> None:
    refused(described([method(f"m{n}") for n in range(1001)]))
    refused(described([], fields=[{"name": f"f{n}", "kind": "list", "value": "int"} for n in range(1001)]))
    refused({"interface": 1, "types": [{"name": f"T{n}"} for n in range(101)]})
    refused(described([{"name": "go", "parameters": [{"name": f"p{n}", "type": "int"} for n in range(101)]}]))
    refused(described([], doc="x" * MANIFEST_BYTES_MAX))
    refused(described([{"name": "go", "parameters": [{"name": "p", "type": "int"}] * 2}]))


def test_a_method_and_a_field_of_one_name_are_refused() -> None:
    refused(described([method("x")], fields=[{"name": "x", "kind": "list", "value": "int"}]))


@pytest.mark.parametrize("name", ["rows", "send", "get", "app", "type_name", "exists", "mro", "_rows"])
def test_a_core_module_may_call_its_methods_what_it_likes_or_is_refused(name: str, tmp_path: Path) -> None:
    data = core_module(
        described([method(name, result="int"), method("put")]),
        f"""(func (export "Guest.{name}") (result i64) (i64.const 7))
        (func (export "Guest.put") (call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)))""",
    )

    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            try:
                await take(app, tmp_path, data)
            except errors.ModuleRefused:
                assert name in {"rows", "type_name", "app"}
                return
            await ref("Guest", "one").put()
            assert (await app.inspect(ref("Guest", "one")))["rows"] == {b"\0": b"\0"}

    asyncio.run(scenario())


def test_unions_that_take_long_to_be_made_are_refused() -> None:
    def signature(unions: int) -> bytes:
        flat = [["union", *(["literal", 100 * union + member] for member in range(100))] for union in range(unions)]
        return json.dumps(described([method("go", ["list", ["union", *flat]])])).encode()

    taken(signature(8))
    assert "unions of 13057 members" in refused(signature(128))
