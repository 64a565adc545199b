"""What the items of the simulated table say, in the form in which DynamoDB stores them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.simulation.memory_table import MemoryTable


def pause_of_replicate(table: MemoryTable, now: datetime) -> str | None:
    """Return `paused_until` of Replicate while it is paused, and None otherwise.

    The pause of the daily ceiling in USD ends by itself. The other pauses end after a check.
    """
    item = table.items.get(("SLOT#replicate", "state"), {})
    if "paused_until" not in item:
        return None
    until: str = item["paused_until"]["S"]
    is_over = datetime.strptime(until, "%Y-%m-%dT%H:%M:%S.%f%z") <= now
    return None if is_over and item["pause_reason"]["S"] == "spend" else until


def has_open_checks(table: MemoryTable) -> bool:
    """Return whether recovery has an open job or a purge to check before the end of a retention."""
    return any("check_queue" in item and not _is_retained(item) for item in table.items.values())


def _is_retained(item: Mapping[str, Any]) -> bool:
    return bool(item["check_queue"]["S"] == "ended" and item["sk"]["S"].startswith("JOB#"))
