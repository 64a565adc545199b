"""A pytest plugin that sets the markers of tests. `pyproject.toml` explains each marker."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parent

# Patterns of folders and files below tests/.
BY_PATH: dict[str, tuple[str, ...]] = {
    "e2e": ("slow", "stack"),
    "integration/*audit*": ("slow",),
    "integration/*local_*": ("slow",),
    "integration/simulated_replicate/test_models.py": ("slow",),
    "integration/simulated_replicate/test_outputs.py": ("slow",),
    "integration/simulated_runway/test_videos.py": ("slow",),
    "integration/test_adding_a_provider.py": ("slow",),
    "integration/test_real_replicate.py": ("slow", "stack"),
    "integration/test_workflow.py": ("slow",),
    "simulation/test_bugs_*": ("slow",),
    "simulation/test_chaos.py": ("slow", "stack"),
    "simulation/test_conflicts.py": ("slow",),
    "simulation/test_crashes.py": ("slow",),
    "simulation/test_late_predictions.py": ("slow",),
    "simulation/test_overtakes.py": ("slow",),
    "simulation/test_permissions.py": ("slow",),
    "simulation/test_races*": ("slow",),
    "simulation/test_schedules.py": ("slow",),
}
BY_FIXTURE: dict[str, tuple[str, ...]] = {
    "dynamodb_local": ("slow", "java", "npm"),
    "javascript_client": ("slow", "npm"),
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test by its folder, its file and its fixtures."""
    path = item.path.relative_to(ROOT)
    for pattern, names in BY_PATH.items():
        if any(fnmatchcase(str(place), pattern) for place in (path, *path.parents)):
            _mark(item, names)
    for fixture in getattr(item, "fixturenames", ()):
        _mark(item, BY_FIXTURE.get(fixture, ()))


def _mark(item: pytest.Item, names: tuple[str, ...]) -> None:
    for name in names:
        item.add_marker(name)
