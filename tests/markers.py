"""A pytest plugin that sets the markers of tests. `pyproject.toml` explains each marker."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent

# Folders and files below tests/.
BY_PATH: dict[str, tuple[str, ...]] = {
    "e2e": ("slow", "stack"),
    "simulation/test_chaos.py": ("slow", "stack"),
    "integration/test_real_replicate.py": ("slow", "stack"),
}
BY_FIXTURE: dict[str, tuple[str, ...]] = {
    "dynamodb_local": ("slow", "java", "npm"),
    "javascript_client": ("slow", "npm"),
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test by its folder, its file and its fixtures."""
    path = item.path.relative_to(ROOT)
    markers = [name for place in (path, *path.parents) for name in BY_PATH.get(str(place), ())]
    for fixture in getattr(item, "fixturenames", ()):
        markers += BY_FIXTURE.get(fixture, ())
    for name in markers:
        item.add_marker(name)
