"""The sources as syntax trees, for all structure tests. Nothing is imported, so a half-built tree can be checked."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

PACKAGES = ("darq", "automata", "ssms")  # each may import those before it, none after it
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One source file: its path under the root, its dotted name, its text and its syntax tree."""

    path: str
    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def is_package(self) -> bool:
        return self.path.endswith("__init__.py")

    def source(self, node: ast.ImportFrom) -> str:
        """The dotted name of the module that `from ... import` reads, relative ones resolved."""
        if not node.level:
            return node.module or ""
        outside = node.level - self.is_package  # a package is the folder that its own relative imports start from
        base = self.name.split(".")
        return ".".join([*base[: len(base) - outside], *filter(None, [node.module])])

    def at(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


def modules(*folders: str, root: Path = ROOT) -> dict[str, Module]:
    """All Python files under the folders, by dotted name; a folder that does not exist (yet) holds none."""
    found = {}
    for folder in folders:
        for file in sorted((root / folder).rglob("*.py")):
            path = file.relative_to(root)
            parts = path.with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(path.as_posix(), name, file.read_text())
    return found


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def plant(root: Path, files: dict[str, str]) -> Path:
    """Writes a small tree, for tests that show a check finding what it looks for."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def expect_none(violations: list[str], rule: str) -> None:
    """Fails with all violations in one list, under the rule that they break."""
    if violations:
        pytest.fail("\n  ".join([f"{rule} ({len(violations)}):", *violations]), pytrace=False)
