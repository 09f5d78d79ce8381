"""Threads in which uploads are compiled and examined, which takes seconds or minutes.

They are no threads of the loop's own: whatever else a process has to do in one of those must not wait for uploads.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor

EXAMINED_AT_ONCE = 2
"""More wait."""


@functools.cache
def examining() -> ThreadPoolExecutor:
    """Those of this process."""
    return ThreadPoolExecutor(EXAMINED_AT_ONCE, thread_name_prefix="sandbox-upload")
