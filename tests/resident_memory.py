"""How a test sees that something is freed."""

from __future__ import annotations

import os
from pathlib import Path


def resident_bytes() -> int:
    """The memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
