"""A folder that holds somebody else's files is no place for a store, and none of them is touched."""

from pathlib import Path

import pytest

from darq import RocksStore
from darq.errors import StorePathError


def _files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["notes.txt", "rocks/notes.txt", "sub/notes.txt"])
def test_a_folder_with_foreign_files_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("precious")
    (tmp_path / "holder").write_text("mine")
    before = _files(tmp_path)
    with pytest.raises(StorePathError, match="give a new or an empty folder"):
        RocksStore(tmp_path)
    assert _files(tmp_path) == before


def test_an_empty_or_a_missing_folder_becomes_a_store(tmp_path: Path) -> None:
    RocksStore(tmp_path).close()
    RocksStore(tmp_path / "new" / "store").close()
    RocksStore(tmp_path / "new" / "store").close()


def test_a_store_whose_making_was_cut_short_is_made_again(tmp_path: Path) -> None:
    RocksStore(tmp_path).close()
    (tmp_path / "FORMAT").rename(tmp_path / "FORMAT.new")
    RocksStore(tmp_path).close()
    assert (tmp_path / "FORMAT").exists()
