"""Each public name has one home: one package that offers it, one module that defines it, and a docstring there."""

import ast
import importlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from tests.structure.source_tree import PACKAGES, ROOT, Module, expect_none, modules, plant

Definition = tuple[ast.stmt, str | None]  # the statement, and the docstring that goes with it


def public_names(package: Module) -> list[str]:
    """What a package lists in `__all__`."""
    for statement in package.tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(statement.value)]
    return []


def definitions(module: Module, name: str) -> list[Definition]:
    """Where a module itself defines a name (twice for overloads and for what only type checkers see)."""
    return [definition for body in _bodies(module.tree) for definition in _defined_in(body, name)]


def _bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "handlers", "finalbody"):
        body = getattr(node, field, [])
        yield body
        for statement in body:
            if isinstance(statement, ast.If | ast.Try | ast.ExceptHandler):
                yield from _bodies(statement)


def _defined_in(body: list[ast.stmt], name: str) -> Iterator[Definition]:
    for statement, following in zip_longest(body, body[1:]):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if statement.name == name:
                yield statement, ast.get_docstring(statement)
        elif name in _assigned(statement):
            yield statement, _text(following)


def _assigned(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.Assign(targets=targets):
            return [ast.unparse(target) for target in targets]
        case ast.AnnAssign(target=target):
            return [ast.unparse(target)]
        case _:
            return []


def _text(statement: ast.stmt | None) -> str | None:
    """A string that stands under an assignment is its docstring, as documentation tools read it."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str() as text)):
            return text
        case _:
            return None


def homes(package: Module, name: str, known: dict[str, Module]) -> list[Module]:
    """The modules that a package's name comes from, re-exports of subpackages followed to their end."""
    found = [package] if definitions(package, name) else []
    for node in package.tree.body:
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            original = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
            found += _source(package, package.source(node), original, known)
    return found


def _source(package: Module, source: str, name: str, known: dict[str, Module]) -> list[Module]:
    module, submodule = known.get(source), known.get(f"{source}.{name}")
    if module is None:
        return []
    if definitions(module, name):
        return [module]
    followed = homes(module, name, known) if module.is_package and module is not package else []
    return followed or ([submodule] if submodule else [])


def without_one_home(root: Path) -> list[str]:
    known = modules(*PACKAGES, root=root)
    found, offered_by = [], dict[str, str]()
    for package in (known[name] for name in PACKAGES if name in known):
        for name in public_names(package):
            if name in offered_by:
                found.append(f"{package.name}.{name}: offered by {offered_by[name]} already")
            offered_by.setdefault(name, package.name)
            if len(modules_of_name := homes(package, name, known)) != 1:
                where = ", ".join(module.path for module in modules_of_name) or "no module that it is imported from"
                found.append(f"{package.name}.{name}: defined by {where}")
    return found


def without_docstring(root: Path) -> list[str]:
    known = modules(*PACKAGES, root=root)
    return [
        f"{package.name}.{name}: no docstring in {home.path}"
        for package in (known[name] for name in PACKAGES if name in known)
        for name in public_names(package)
        for home in homes(package, name, known)
        if not _documented(home, name)
    ]


def _documented(home: Module, name: str) -> bool:
    if defined := definitions(home, name):
        return any(docstring and docstring.strip() for _, docstring in defined)
    return bool(ast.get_docstring(home.tree))  # the name is the module itself


def test_each_public_name_has_exactly_one_home() -> None:
    expect_none(without_one_home(ROOT), "public names without one home")


def test_each_public_name_has_a_docstring() -> None:
    expect_none(without_docstring(ROOT), "public names without docstring")


def test_each_public_name_can_be_imported() -> None:
    packages = [module for name, module in modules(*PACKAGES).items() if name in PACKAGES]
    missing = [
        f"{package.name}.{name}"
        for package in packages
        for name in public_names(package)
        if not hasattr(importlib.import_module(package.name), name)
    ]
    expect_none(missing, "public names that are not there")


def test_a_name_defined_once_and_re_exported_has_one_home(tmp_path: Path) -> None:
    files = {
        "darq/__init__.py": "from darq import errors\nfrom darq.inner import B\n__all__ = ['B', 'errors']\n",
        "darq/errors.py": '"""Faults."""\n',
        "darq/inner/__init__.py": "from darq.inner.b import B\n",
        "darq/inner/b.py": "if x:\n    B = int\n    'What B is.'\nelse:\n    class B: ...\n",
    }
    plant(tmp_path, files)
    assert without_one_home(tmp_path) == []
    assert without_docstring(tmp_path) == []


def test_a_name_with_no_home_or_two_is_found(tmp_path: Path) -> None:
    files = {
        "darq/__init__.py": "from darq.a import x, y\n__all__ = ['x', 'y', 'z']\n",
        "darq/a.py": "from darq.b import y\nx = 1\n",
        "darq/b.py": "y = 1\n",
        "ssms/__init__.py": "from darq.a import x\n__all__ = ['x']\n",
    }
    plant(tmp_path, files)
    assert without_one_home(tmp_path) == [
        "darq.y: defined by no module that it is imported from",
        "darq.z: defined by no module that it is imported from",
        "ssms.x: offered by darq already",
    ]


def test_a_name_without_docstring_is_found(tmp_path: Path) -> None:
    source = "'''Doc.'''\nx = 1\n'What x is.'\ny: int = 2\ndef f():\n    '''Does.'''\nclass C: ...\n"
    exports = "from darq.a import C, f, x, y\n__all__ = ['C', 'f', 'x', 'y']\n"
    plant(tmp_path, {"darq/a.py": source, "darq/__init__.py": exports})
    assert without_docstring(tmp_path) == ["darq.C: no docstring in darq/a.py", "darq.y: no docstring in darq/a.py"]
