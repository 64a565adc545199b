"""Templates of an earlier release: old jobs name them, so each version stays as it was."""

from __future__ import annotations

import pytest

from tests.compatibility.snapshot import Release, released_templates, releases

RELEASES = releases()
pytestmark = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.folder.name)


def test_every_version_of_a_released_template_is_still_in_the_catalog(release: Release) -> None:
    assert release.templates
    assert release.templates.keys() <= released_templates().keys()


def test_a_released_version_keeps_its_price_and_its_parameters(release: Release) -> None:
    now = released_templates()
    changed = []
    for version, promised in release.templates.items():
        changed += [
            f"{version}: {key}: {now[version][key]}, but released {promised[key]}"
            for key in ("price", "required")
            if now[version][key] != promised[key]
        ]
        found = now[version]["parameters"]
        changed += [
            f"{version}: {name}: {found.get(name)}, but released {schema}"
            for name, schema in promised["parameters"].items()
            # A new keyword is for inputs that the model refuses.
            if without_new_keywords(found.get(name, {}), schema) != schema
        ]
        changed += [f"{version}: {name} is new" for name in found.keys() - promised["parameters"]]

    assert not changed, "\n".join(changed)


def without_new_keywords(schema: dict[str, object], released: dict[str, object]) -> object:
    """Return a JSON Schema without `x-image`, also that of the items, unless it was released."""
    return {
        key: without_new_keywords(value, {}) if isinstance(value, dict) else value
        for key, value in schema.items()
        if key != "x-image" or key in released
    }
