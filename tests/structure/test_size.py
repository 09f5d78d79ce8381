"""How large things may grow: files, functions and parameter lists. What is over asks to be split, not to be excused."""

import ast
from pathlib import Path

from tests.structure.source_tree import PACKAGES, ROOT, expect_none, functions, modules, plant

FILE_LINES_MAX = 400
EXAMPLE_LINES_MAX = 60  # an example shows one idea
FUNCTION_LINES_MAX = 50
PARAMETERS_MAX = 6  # then a frozen options object

SOURCES = (*PACKAGES, "benchmarks", "examples")


def long_files(root: Path) -> list[str]:
    found = []
    for module in modules(*SOURCES, root=root).values():
        lines = len(module.text.splitlines())
        lines_max = EXAMPLE_LINES_MAX if module.path.startswith("examples/") else FILE_LINES_MAX
        if lines > lines_max:
            found.append(f"{module.path}: {lines} lines, at most {lines_max}")
    return found


def long_functions(root: Path) -> list[str]:
    return [
        f"{module.at(function)}: {function.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"
        for module in modules(*SOURCES, root=root).values()
        for function in functions(module.tree)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    ]


def wide_functions(root: Path) -> list[str]:
    return [
        f"{module.at(function)}: {function.name} takes {count} parameters, at most {PARAMETERS_MAX}"
        for module in modules(*SOURCES, root=root).values()
        for function in functions(module.tree)
        if (count := parameters(function)) > PARAMETERS_MAX
    ]


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """What a caller may pass: `self` and `cls` do not count, `*args` and `**options` count as one each."""
    named = [*function.args.posonlyargs, *function.args.args]
    bound = bool(named) and named[0].arg in {"self", "cls"}
    rest = [function.args.vararg, function.args.kwarg]
    return len(named) - bound + len(function.args.kwonlyargs) + sum(extra is not None for extra in rest)


def test_files_are_short() -> None:
    expect_none(long_files(ROOT), "files too long")


def test_functions_are_short() -> None:
    expect_none(long_functions(ROOT), "functions too long")


def test_functions_take_few_parameters() -> None:
    expect_none(wide_functions(ROOT), "functions with too many parameters")


def test_a_long_file_is_found(tmp_path: Path) -> None:
    plant(tmp_path, {"darq/a.py": "x = 1\n" * 401, "darq/b.py": "x = 1\n" * 400, "examples/c.py": "x = 1\n" * 61})
    assert long_files(tmp_path) == ["darq/a.py: 401 lines, at most 400", "examples/c.py: 61 lines, at most 60"]


def test_a_long_method_is_found(tmp_path: Path) -> None:
    body = "        pass\n"
    methods = f"class A:\n    def fits(self):\n{body * 49}    async def grew(self):\n{body * 50}"
    plant(tmp_path, {"ssms/a.py": methods})
    assert long_functions(tmp_path) == ["ssms/a.py:52: grew has 51 lines, at most 50"]


def test_a_parameter_too_many_is_found_and_self_does_not_count(tmp_path: Path) -> None:
    source = (
        "class A:\n    def fits(self, a, b, /, c, d, *, e, f): ...\n    def wide(self, a, b, c, d, e, *f, **g): ...\n"
    )
    plant(tmp_path, {"automata/a.py": source})
    assert wide_functions(tmp_path) == ["automata/a.py:3: wide takes 7 parameters, at most 6"]
