"""Everything here runs under a cap on memory: what an attack makes the host allocate fails, and with it the test."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

MEMORY_BYTES_MAX = 3 << 30


@pytest.fixture(scope="package", autouse=True)
def memory_cap() -> Iterator[None]:
    """The soft limit, so that it can be taken away again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, hard))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
