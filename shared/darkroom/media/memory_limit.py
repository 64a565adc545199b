"""Limits the memory of native decoders, which allocate what a foreign file asks for."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATM = Path("/proc/self/statm")
_DATA_FIELD = 5


@contextmanager
def memory_limited(bytes_max: int) -> Iterator[None]:
    """Let the process allocate at most `bytes_max` more bytes of memory than it has now.

    Beyond the limit, Python raises MemoryError, and native libraries report an error. The limit
    holds for all threads. Only Linux counts all private memory in RLIMIT_DATA (getrlimit(2)), so
    other systems have no limit.
    """
    if sys.platform != "linux":
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = (limit for limit in (_data_bytes() + bytes_max, soft) if limit >= 0)
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int:
    """Return the private memory of this process in bytes (proc_pid_statm(5), field `data`)."""
    pages = int(_STATM.read_text().split()[_DATA_FIELD])
    return pages * resource.getpagesize()
