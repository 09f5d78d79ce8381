"""A coordinator begins with the catalog of its own cluster alone: with another one all data would seem to be gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from darq.errors import InvalidArgument
from ssms.catalog import Catalog, versions
from ssms.on_ray.belonging import check_belongs


def begin(folder: Path, made: str) -> None:
    catalog = Catalog(f"sqlite:///{folder}/catalog.sqlite", made)
    try:
        check_belongs(folder, catalog.read(versions.value, versions.CLUSTER), catalog.where)
    finally:
        catalog.close()


def test_it_begins_again_with_the_catalog_that_it_began_with(tmp_path: Path) -> None:
    begin(tmp_path, "one")
    begin(tmp_path, "two")  # it is there: what a new one would be called does not matter


def test_a_new_catalog_in_the_place_of_one_that_was_lost_is_refused(tmp_path: Path) -> None:
    begin(tmp_path, "one")
    for file in tmp_path.glob("catalog.sqlite*"):
        file.unlink()
    with pytest.raises(InvalidArgument, match=r"belongs to cluster one, and the catalog at .* to two"):
        begin(tmp_path, "two")
