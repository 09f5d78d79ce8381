"""Who imports whom: one way between packages, no cycles between modules, each heavy library behind one file."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.structure.source_tree import PACKAGES, ROOT, Module, expect_none, functions, modules, plant

# Heavy libraries: the one place that may import each (a file, or a folder in which one file does).
# A home that is a folder is an adapter of several nouns: processes, clients and commands of a cluster all speak to Ray.
LIBRARY_HOMES = {
    "pytest": "automata/testing/plugin.py",
    "rocksdict": "darq/rocks.py",
    "wasmtime": "automata/sandbox/",
    "ray": "ssms/on_ray/",
    "sqlalchemy": "ssms/catalog/",
}

# Optional libraries that may be imported inside a function, by the files under a prefix, and why they may.
LAZY_LIBRARIES = {
    "matplotlib": ("ssms/", "the [plot] extra: the demo draws its figure only where it is installed"),
}

NEVER_IMPORTED = ("tests", "benchmarks", "examples")


@dataclass(frozen=True)
class Import:
    """One imported module, `name` being the name taken from it, if any."""

    module: str
    name: str | None
    node: ast.stmt

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def imports(module: Module, inside: ast.AST | None = None) -> Iterator[Import]:
    """All imports of a module, or of one function in it; those under TYPE_CHECKING too: a reader follows them."""
    for node in ast.walk(inside or module.tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, None, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(module.source(node), alias.name, node) for alias in node.names)


def against_the_direction(root: Path) -> list[str]:
    found = []
    for module in modules(*PACKAGES, root=root).values():
        here = PACKAGES.index(module.path.partition("/")[0])
        forbidden = (*PACKAGES[here + 1 :], *NEVER_IMPORTED)
        found += [f"{module.at(i.node)}: imports {i.module}" for i in imports(module) if i.top in forbidden]
    return found


def inside_functions(root: Path) -> list[str]:
    found = set()
    for module in modules(*PACKAGES, root=root).values():
        for function in functions(module.tree):
            for i in imports(module, function):
                prefix, _reason = LAZY_LIBRARIES.get(i.top, (None, ""))
                if prefix is None or not module.path.startswith(prefix):
                    found.add(f"{module.at(i.node)}: {function.name} imports {i.module}")
    return sorted(found)


def away_from_home(root: Path) -> list[str]:
    return [
        f"{module.at(i.node)}: imports {i.top}, which belongs to {LIBRARY_HOMES[i.top]}"
        for module in modules(*PACKAGES, root=root).values()
        for i in imports(module)
        if i.top in LIBRARY_HOMES and not module.path.startswith(LIBRARY_HOMES[i.top])
    ]


def import_cycles(root: Path) -> list[str]:
    """Groups of modules each of which reaches the others.

    Taking a re-exported name from one's own package counts as importing all that the package re-exports: that is how
    such cycles break at run time.
    """
    known = modules(*PACKAGES, root=root)
    graph = {name: {target for i in imports(module) if (target := _target(i, known))} for name, module in known.items()}
    return [" <-> ".join(sorted(group)) for group in _tangles(graph)]


def _target(imported: Import, known: dict[str, Module]) -> str | None:
    submodule = f"{imported.module}.{imported.name}"
    return next((name for name in (submodule, imported.module) if name in known), None)


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen, waiting = set[str](), list(graph[start])
    while waiting:
        if (name := waiting.pop()) not in seen:
            seen.add(name)
            waiting += graph[name]
    return seen


def _tangles(graph: dict[str, set[str]]) -> list[frozenset[str]]:
    reach = {name: _reachable(graph, name) for name in graph}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other]) for name in graph if name in reach[name]
    }
    return sorted(groups, key=sorted)


def test_imports_point_from_ssms_to_automata_to_darq() -> None:
    expect_none(against_the_direction(ROOT), "imports against darq <- automata <- ssms")


def test_modules_import_each_other_without_cycles() -> None:
    expect_none(import_cycles(ROOT), "import cycles")


def test_imports_stand_at_the_top_of_their_file() -> None:
    expect_none(inside_functions(ROOT), "imports inside functions (LAZY_LIBRARIES lists the ones with a reason)")


def test_each_heavy_library_is_imported_at_home() -> None:
    expect_none(away_from_home(ROOT), "libraries away from home")


def test_an_import_against_the_direction_is_found(tmp_path: Path) -> None:
    plant(
        tmp_path, {"darq/a.py": "from automata.b import c\n", "automata/b.py": "import darq.a\nfrom tests import x\n"}
    )
    assert against_the_direction(tmp_path) == ["darq/a.py:1: imports automata.b", "automata/b.py:2: imports tests"]


def test_a_cycle_through_relative_and_type_checking_imports_is_found(tmp_path: Path) -> None:
    hidden = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from darq import a\n"
    plant(tmp_path, {"darq/a.py": "from . import b\n", "darq/b.py": "from .c import d\n", "darq/c.py": hidden})
    assert import_cycles(tmp_path) == ["darq.a <-> darq.b <-> darq.c"]


def test_a_cycle_through_the_package_itself_is_found(tmp_path: Path) -> None:
    plant(tmp_path, {"darq/__init__.py": "from darq.a import b\n", "darq/a.py": "from darq import b\n"})
    assert import_cycles(tmp_path) == ["darq <-> darq.a"]


def test_a_shared_import_is_no_cycle(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {"darq/__init__.py": "from darq.a import x\n", "darq/a.py": "from darq.b import x\n", "darq/b.py": "x = 1\n"},
    )
    assert import_cycles(tmp_path) == []


def test_an_import_inside_a_function_is_found_unless_it_is_listed(tmp_path: Path) -> None:
    lazy = "class A:\n    def draw(self):\n        import matplotlib\n        import json\n"
    plant(tmp_path, {"ssms/figure.py": lazy, "darq/figure.py": "def draw():\n    import matplotlib\n"})
    assert inside_functions(tmp_path) == [
        "darq/figure.py:2: draw imports matplotlib",
        "ssms/figure.py:4: draw imports json",
    ]


def test_a_heavy_library_away_from_home_is_found(tmp_path: Path) -> None:
    inside = {"automata/sandbox/a.py": "import wasmtime\n", "automata/host.py": "from wasmtime import Store\n"}
    plant(tmp_path, {"darq/store.py": "import rocksdict\n", "darq/rocks.py": "import rocksdict\n", **inside})
    assert away_from_home(tmp_path) == [
        "darq/store.py:1: imports rocksdict, which belongs to darq/rocks.py",
        "automata/host.py:1: imports wasmtime, which belongs to automata/sandbox/",
    ]
