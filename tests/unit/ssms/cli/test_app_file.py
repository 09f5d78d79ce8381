"""`--app FILE` imports a file as what it is for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from ssms.cli.app_file import load_types
from tests.unit.ssms.scripts import write


@pytest.fixture(autouse=True)
def modules() -> Iterator[None]:
    before, path = dict(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


def test_a_file_is_a_module_of_its_own_name_that_finds_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, {"lone_app.py": "import lone_models", "lone_models.py": ""})
    load_types(tmp_path / "lone_app.py")
    assert {"lone_app", "lone_models"} <= sys.modules.keys()


def test_a_file_in_a_package_is_a_module_of_the_package(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "packed_shop/__init__.py": "",
            "packed_shop/store/__init__.py": "",
            "packed_shop/store/objects.py": "from packed_shop import models\nfrom ..models import LIMIT",
            "packed_shop/models.py": "LIMIT = 1",
        },
    )
    load_types(tmp_path / "packed_shop" / "store" / "objects.py")
    assert sys.modules["packed_shop.store.objects"].LIMIT == 1
    assert "objects" not in sys.modules


def test_a_package_is_taken_by_its_init_file(tmp_path: Path) -> None:
    write(tmp_path, {"packed_whole/__init__.py": "from packed_whole import parts", "packed_whole/parts.py": ""})
    load_types(tmp_path / "packed_whole" / "__init__.py")
    assert "packed_whole.parts" in sys.modules


def test_what_is_no_python_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"app.txt": ""})
    with pytest.raises(typer.BadParameter, match=r"app\.txt is no Python file"):
        load_types(tmp_path / "app.txt")
