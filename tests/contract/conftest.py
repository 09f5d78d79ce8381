"""Each contract is run once for each kind of store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from darq import Log, Store
from tests.contract.stores import DISKS, Disk


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    return DISKS[request.param](tmp_path)


@pytest.fixture
def store(disk: Disk) -> Iterator[Store]:
    opened = disk.open()
    yield opened
    opened.close()


@pytest.fixture
def log(store: Store) -> Iterator[Log]:
    opened = Log(store)
    yield opened
    opened.close()
