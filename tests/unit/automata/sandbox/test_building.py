"""What becomes of a file before it is a module: its faults, each with a sentence and the line."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import automata
from automata.errors import DeclarationError, InvalidArgument, StateError
from automata.sandbox import building
from automata.sandbox.building import build, check
from automata.sandbox.tree import lay_out

pytestmark = pytest.mark.process

COUNTER = """
from automata import List, Map, Ref, object_type

@object_type
class Counter:
    total: int = 0
    friends: List[Ref["Counter"]]
    words: Map[str, float]

    async def add(self, n: int = 1) -> int | None:
        self.total += n
        return self.total
"""


def checked(folder: Path, text: str, name: str = "counter") -> bytes:
    source, tree = folder / f"{name}.py", folder / "tree"
    source.write_text(text)
    tree.mkdir()
    lay_out(source, tree)
    return check(source, tree)


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_annotations_are_told_alike_whenever_python_evaluates_them(tmp_path: Path, future: str) -> None:
    [made] = json.loads(checked(tmp_path, future + COUNTER))["types"]
    forms = [field.get("type") or field["value"] for field in made["fields"]]
    assert forms == ["int", ["ref", "Counter"], "float"]
    assert made["methods"][0]["result"] == ["union", "int", "none"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = 1", "defines no types"),
        ("x = (", "SyntaxError"),
        ("def f():\n    raise KeyError('mine')\nf()", 'File "counter.py", line 2, in f'),
        ("import socket", "a sandboxed class has no network"),
        ("import threading", "starts no processes and no threads"),
        ("import numpy", "No module named 'numpy': a sandboxed class has the standard library and `automata` alone"),
        ("from automata.testing import run", "import it in the file that has the tests"),
        ("from automata import *\nLetter()", "app.dead_letters() gives them to who runs the app"),
        ("import ssms\nssms.open('x')", "runs within an app and opens none"),
        ("open('/etc/passwd')", "a sandboxed class has no files"),
        ("from automata import *\n@automaton\nclass A: ...", "@automaton is not there in a sandbox"),
        ("from automata import *\n@object_type(compute='worker')\nclass A: ...", "it runs beside its data"),
        (
            "from automata import *\n@object_type(version=2, migrate=lambda s, o, v: None)\nclass A: ...",
            "migrate=... is not there in a sandboxed class",
        ),
        ("from automata import *\n@object_type(num_cpus=2)\nclass A: ...", "num_cpus=... is not there in a sandboxed"),
        (
            "from automata import *\n@object_type(retry=Retry(tries=2))\nclass A: ...",
            "its messages are tried as often as those of any type. Remove it; a method that shall be tried otherwise",
        ),
        (
            "from automata import *\n@object_type(version=2)\nclass A: ...",
            "version=... is not there in a sandboxed class",
        ),
        ("from automata import *\n@object_type\nclass A:\n    x: Pickled[int] = 1", "Pickled[...] is not there"),
        ("from pydantic import BaseModel\nclass M(BaseModel):\n    x: int", "use a dataclass"),
        (
            "from typing import Annotated\nfrom automata import *\n@object_type\nclass A:\n x: Annotated[int, 5] = 1",
            "check the value in the method",
        ),
        (
            "from enum import Enum\nfrom automata import *\nclass E(Enum):\n    A = (1,)\n@object_type\nclass A:\n"
            "    x: E = E.A",
            "values that are int or str",
        ),
        (
            "from pathlib import Path\nfrom automata import *\n@object_type\nclass A:\n    x: Path = Path('a')",
            "Path cannot be stored",
        ),
        ("from automata import *\n@object_type\nclass A:\n    x: int", "A.x: a value field needs a default"),
    ],
)
def test_a_file_that_cannot_be_a_guest_is_refused_with_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        checked(tmp_path, text)
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("counter.py cannot run in a sandbox")


def test_a_guest_has_every_name_that_automata_offers() -> None:
    body = ast.parse((Path(building.__file__).parent / "guest" / "names.py").read_text()).body
    [offered] = [node.value for node in body if isinstance(node, ast.Assign)]
    assert ast.literal_eval(offered) == automata.__all__


def test_a_file_may_import_ssms_for_its_main_part(tmp_path: Path) -> None:
    main = "import ssms\n" + COUNTER + "\nasync def main(app: ssms.App) -> None: ...\n"
    assert b"Counter" in checked(tmp_path, main + "if __name__ == '__main__':\n    ssms.open('x')\n")


def test_a_fault_in_a_class_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"A\.x: .*counter\.py:6"):
        checked(tmp_path, "\n\nfrom automata import *\n@object_type\nclass A:\n    x: int\n")


def test_a_file_with_the_name_of_a_module_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "random.py"
    source.write_text(COUNTER)
    with pytest.raises(InvalidArgument, match="rename it"):
        build(source, tmp_path / "random.wasm")


def test_without_componentize_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "counter.py"
    source.write_text(COUNTER)
    monkeypatch.setattr(building, "find_spec", lambda name: None)
    with pytest.raises(StateError, match=r"pip install 'durable-automata\[guest\]'"):
        build(source, tmp_path / "counter.wasm")


def test_a_record_inside_itself_is_told_as_anything(tmp_path: Path) -> None:
    text = """
from __future__ import annotations
from dataclasses import dataclass
from automata import object_type

@dataclass
class Tree:
    left: Tree | None = None

@object_type
class Forest:
    tree: Tree = Tree()
"""
    [made] = json.loads(checked(tmp_path, text))["types"]
    assert made["fields"][0]["type"] == ["record", "Tree", [["left", ["union", "any", "none"], False]]]
