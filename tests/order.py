"""A pytest plugin that runs the longest test files first."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent

# No process begins one of these near the end, when the others have nothing left. pytest-xdist
# assigns the fourth file to the first process, which is busy with its only test for minutes. The
# fourth file is therefore a short one.
LONGEST = (
    "simulation/test_chaos.py",
    "simulation/test_crashes.py",
    "simulation/test_overtakes.py",
    "simulation/test_soak.py",
    "simulation/test_schedules.py",
    "e2e/test_fuzz.py",
    "e2e/test_faults.py",
)
_POSITIONS = {ROOT / name: position for position, name in enumerate(LONGEST)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests. The other files keep their order."""
    items.sort(key=lambda item: _POSITIONS.get(item.path, len(LONGEST)))
