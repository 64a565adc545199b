"""A pytest plugin that sets the markers of tests. `pyproject.toml` explains each marker."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent

# Patterns of folders and files below tests/.
BY_PATH: dict[str, tuple[str, ...]] = {
    "browser": ("slow", "stack", "no_cover"),
    "compatibility": ("slow", "no_cover"),
    "e2e": ("slow", "stack", "no_cover"),
    "integration/api/test_transient_errors.py": ("slow",),
    "integration/audit": ("slow",),
    "integration/ledger/test_random_sequences.py": ("slow",),
    "integration/sample_events": ("slow",),
    "integration/simulated_*": ("slow", "no_cover"),
    "integration/store_output": ("slow",),
    "integration/test_*_provider.py": ("slow",),
    "integration/test_adding_a_provider.py": ("slow",),
    "integration/test_cancel_job.py": ("slow",),
    "integration/test_delete_job.py": ("slow",),
    "integration/test_finish_job.py": ("slow",),
    "integration/test_local_*": ("slow", "no_cover"),
    "integration/test_local_stack_access.py": ("stack",),
    "integration/test_notify_client.py": ("slow",),
    "integration/observability": ("slow", "stack"),
    "integration/test_official_clients.py": ("slow", "no_cover"),
    "integration/test_provider_queue.py": ("slow",),
    "integration/test_real_replicate.py": ("slow", "stack", "no_cover"),
    "integration/test_recover_jobs.py": ("slow",),
    "integration/test_sam_local.py": ("slow", "stack", "no_cover"),
    "integration/test_second_attempt.py": ("slow",),
    "integration/test_uploads.py": ("slow",),
    "integration/test_workflow.py": ("slow",),
    "integration/webhook/test_malformed_requests.py": ("slow",),
    "simulation": ("slow", "no_cover"),
    "simulation/test_chaos.py": ("stack",),
    "unit/test_docs_commands.py": ("slow",),
    "unit/test_sam_local_variables.py": ("slow",),
    "unit/test_scan.py": ("npm",),
    "unit/test_template_data.py": ("slow",),
    "unit/test_template_names.py": ("slow",),
    "unit/test_template_rollout.py": ("slow",),
    "unit/test_template_users.py": ("slow",),
    "unit/test_versions.py": ("slow",),
}
# Only a path sets this marker.
NO_COVER = "no_cover"
BY_FIXTURE: dict[str, tuple[str, ...]] = {
    "dynamodb_local": ("slow", "java", "npm"),
    "javascript_client": ("slow", "npm"),
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import the files that `-m no_cover` or `-m "not no_cover"` excludes, to save time.

    Returns None for all other files, so that other plugins decide.
    """
    if not fnmatchcase(collection_path.name, "test_*.py"):
        return None
    is_without_cover = NO_COVER in _names_by_path(collection_path)
    is_excluded = {NO_COVER: not is_without_cover, f"not {NO_COVER}": is_without_cover}
    return is_excluded.get(config.option.markexpr) or None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test by its folder, its file and its fixtures."""
    _mark(item, _names_by_path(item.path))
    for fixture in getattr(item, "fixturenames", ()):
        _mark(item, BY_FIXTURE.get(fixture, ()))


@cache
def _names_by_path(file: Path) -> tuple[str, ...]:
    path = file.relative_to(ROOT)
    places = [str(place) for place in (path, *path.parents)]
    return tuple(
        name
        for pattern, names in BY_PATH.items()
        if any(fnmatchcase(place, pattern) for place in places)
        for name in names
    )


def _mark(item: pytest.Item, names: tuple[str, ...]) -> None:
    for name in names:
        item.add_marker(name)
