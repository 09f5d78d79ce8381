"""What a client knows of types that its cluster has and it has not."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from automata import ref
from automata.errors import InvalidArgument, StateError
from automata.invocation import Invocation
from automata.sandbox.record import COMPONENT, UploadRecord, Version
from automata.testing.loop import run_virtually
from automata.types import REGISTRY
from ssms.uploaded_types import UploadedTypes
from tests.cluster.purses import Purse

ROOT = Path(__file__).parents[3]
FIELDS = """[{"name": "words", "kind": "map", "key": "str", "value": ["record", "Word", [["n", "int", true]]]}]"""
METHODS = """[{"name": "count", "parameters": [{"name": "text", "type": "str"}], "result": ["list", "int"]}]"""


def uploaded(*names: str, number: int = 1) -> UploadRecord:
    types = ", ".join(f'{{"name": "{name}", "fields": {FIELDS}, "methods": {METHODS}}}' for name in names)
    manifest = f'{{"interface": 1, "types": [{types}]}}'.encode()
    return UploadRecord("t", "ann", number, [Version(number, "d" * 64, COMPONENT, 1, manifest, {})])


def packed(invocation: Invocation) -> tuple[object, ...]:
    """The arguments of a call that is not made."""
    with closing(invocation):
        return invocation.pack()


def test_types_are_known_by_their_signatures_and_gone_with_their_upload() -> None:
    known = UploadedTypes()
    known.learn([uploaded("test_uploaded_A", "test_uploaded_B")])
    count = ref("test_uploaded_A", "x").count
    with pytest.raises(InvalidArgument):
        packed(count(1))
    assert packed(count("one")) == ("one",)
    with pytest.raises(StateError, match="runs on the hosts"):
        run_virtually(REGISTRY.get("test_uploaded_A").cls().count("x"))
    known.learn([uploaded("test_uploaded_A", number=2)])
    assert REGISTRY.find("test_uploaded_B") is None
    assert packed(count("one")) == ("one",), "refs of before go on"
    known.forget()
    assert REGISTRY.find("test_uploaded_A") is None


def test_a_class_of_this_process_is_left_alone() -> None:
    known, before = UploadedTypes(), REGISTRY.find("ClusterPurse")
    assert before is not None
    assert before.cls is Purse
    known.learn([uploaded("ClusterPurse")])
    assert REGISTRY.find("ClusterPurse") is before
    assert known.names == {"ClusterPurse"}
    known.forget()
    assert REGISTRY.find("ClusterPurse") is before


def test_two_clients_do_not_take_types_from_each_other() -> None:
    one, two = UploadedTypes(), UploadedTypes()
    one.learn([uploaded("test_uploaded_A")])
    two.learn([uploaded("test_uploaded_A")])
    made = REGISTRY.find("test_uploaded_A")
    two.forget()
    assert REGISTRY.find("test_uploaded_A") is made
    one.forget()
    two.learn([uploaded("test_uploaded_A")])
    assert REGISTRY.find("test_uploaded_A") is not None
    two.forget()


def test_one_that_cannot_be_made_here_is_passed_over() -> None:
    known = UploadedTypes()
    record = uploaded("test_uploaded_A")
    version = Version(1, "d" * 64, "core", 1, record.running().manifest, {})  # whose types have no fields
    known.learn([UploadRecord("t", "ann", 1, [version])])
    assert REGISTRY.find("test_uploaded_A") is None


def test_no_webassembly_is_needed_to_call_what_was_uploaded() -> None:
    program = """
import sys
sys.modules["wasmtime"] = None
import ssms
from automata import ref
from ssms.uploaded_types import UploadedTypes
from tests.unit.ssms.test_uploaded_types import packed, uploaded
UploadedTypes().learn([uploaded("Tally")])
print(packed(ref("Tally", "x").count("one")))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "('one',)\n", done.stderr
