"""Habits that no linter knows: telling names, nothing left for later, no hidden fault, no code in `__init__.py`."""

import ast
import re
from pathlib import Path

from tests.structure.source_tree import PACKAGES, ROOT, Module, expect_none, modules, plant

ALL_CODE = (*PACKAGES, "benchmarks", "examples", "tests")
EMPTY_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}
LEFT_FOR_LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
TEXT_SUFFIXES = {".md", ".toml", ".sh", ".yml", ".yaml"}


def empty_names(root: Path) -> list[str]:
    return [
        module.path for module in modules(*ALL_CODE, root=root).values() if EMPTY_NAMES & set(module.name.split("."))
    ]


def left_for_later(root: Path) -> list[str]:
    code = [root / module.path for module in modules(*ALL_CODE, root=root).values()]
    prose = [file for folder in (root, root / "docs") for file in folder.glob("*") if file.suffix in TEXT_SUFFIXES]
    files = [file for file in [*code, *prose, *root.glob("Makefile")] if file != Path(__file__)]
    return [
        f"{file.relative_to(root).as_posix()}:{number}: {line.strip()[:80]}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if LEFT_FOR_LATER.search(line)
    ]


def hidden_faults(root: Path) -> list[str]:
    found = []
    for module in modules(*ALL_CODE, root=root).values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler) and _hides(node):
                found.append(f"{module.at(node)}: except {ast.unparse(node.type) if node.type else '(bare)'}")
            elif isinstance(node, ast.Call) and _suppresses_all(node):
                found.append(f"{module.at(node)}: {ast.unparse(node)}")
    return found


def _hides(handler: ast.ExceptHandler) -> bool:
    """A bare except, or one of everything that does nothing."""
    return handler.type is None or (_catches_all(handler.type) and all(_does_nothing(line) for line in handler.body))


def _suppresses_all(node: ast.Call) -> bool:
    name = ast.unparse(node.func).rpartition(".")[2]
    return name == "suppress" and any(_catches_all(argument) for argument in node.args)


def _catches_all(caught: ast.expr) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"} for name in names)


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass | ast.Continue) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def code_in_packages(root: Path) -> list[str]:
    return [
        f"{module.at(statement)}: {ast.unparse(statement).splitlines()[0][:80]}"
        for module in modules(*PACKAGES, root=root).values()
        if module.is_package
        for statement in module.tree.body
        if not _re_exports(module, statement)
    ]


def _re_exports(module: Module, statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        return [ast.unparse(target) for target in statement.targets] == ["__all__"]
    docstring = statement is module.tree.body[0] and isinstance(statement, ast.Expr)
    return docstring or isinstance(statement, ast.Import | ast.ImportFrom)


def test_file_names_say_what_is_inside() -> None:
    expect_none(empty_names(ROOT), "names that say nothing")


def test_nothing_is_left_for_later() -> None:
    expect_none(left_for_later(ROOT), "left for later")


def test_no_except_hides_a_fault() -> None:
    expect_none(hidden_faults(ROOT), "excepts that hide")


def test_packages_re_export_and_do_nothing_else() -> None:
    expect_none(code_in_packages(ROOT), "code in __init__.py")


def test_an_empty_name_is_found(tmp_path: Path) -> None:
    plant(tmp_path, {"darq/utils.py": "", "ssms/common/a.py": "", "tests/unit/helpers.py": "", "darq/commons.py": ""})
    assert empty_names(tmp_path) == ["darq/utils.py", "ssms/common/a.py", "tests/unit/helpers.py"]


def test_work_left_for_later_is_found_in_code_and_in_documents(tmp_path: Path) -> None:
    mark = "FIX" + "ME"
    plant(tmp_path, {"darq/a.py": f"x = 1\n# {mark} y\n", "docs/B.md": f"{mark}: z\n", "README.md": "a fixme\n"})
    assert left_for_later(tmp_path) == [f"darq/a.py:2: # {mark} y", f"docs/B.md:1: {mark}: z"]


def test_hidden_faults_are_found_and_handled_ones_are_not(tmp_path: Path) -> None:
    tried = "try:\n    f()\n{}:\n    {}\n"
    hidden = tried.format("except", "g()") + tried.format("except (OSError, Exception)", "...")
    handled = tried.format("except Exception", "log()") + tried.format("except OSError", "pass")
    suppressed = "with suppress({}):\n    f()\n"
    hidden, handled = hidden + suppressed.format("Exception"), handled + suppressed.format("OSError")
    plant(tmp_path, {"darq/a.py": hidden, "darq/b.py": handled})
    assert hidden_faults(tmp_path) == [
        "darq/a.py:3: except (bare)",
        "darq/a.py:7: except (OSError, Exception)",
        "darq/a.py:9: suppress(Exception)",
    ]


def test_code_in_a_package_is_found(tmp_path: Path) -> None:
    clean = '"""Doc."""\nfrom darq.a import b\n__all__ = ["b"]\n'
    plant(tmp_path, {"darq/__init__.py": clean, "ssms/__init__.py": f"{clean}x = 1\ndef f(): ...\n"})
    assert code_in_packages(tmp_path) == ["ssms/__init__.py:4: x = 1", "ssms/__init__.py:5: def f():"]
