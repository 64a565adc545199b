"""What the definition of an earlier release needs from the present code and template."""

from __future__ import annotations

import pytest

from tests.aws import ROOT, TEMPLATE
from tests.compatibility.snapshot import Release, releases
from tests.unit.test_workflow_definition import AWS_ERRORS, DARKROOM_ERRORS

RELEASES = releases()
pytestmark = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.folder.name)


def test_its_functions_are_still_in_the_template_with_their_alias(release: Release) -> None:
    # A function without a name gets one from its logical id, and an execution calls its alias.
    assert TEMPLATE["Globals"]["Function"]["AutoPublishAlias"] == "live"
    for name in release.functions.values():
        properties = TEMPLATE["Resources"][name]["Properties"]
        assert "FunctionName" not in properties, name
        assert "AutoPublishAlias" not in properties, name


def test_the_errors_that_it_names_still_exist(release: Release) -> None:
    named = {
        error
        for state in release.definition()["States"].values()
        for rule in (*state.get("Retry", []), *state.get("Catch", []))
        for error in rule["ErrorEquals"]
    }
    own = {error for error in named if not error.startswith(AWS_ERRORS)}

    assert own
    assert own <= DARKROOM_ERRORS


def test_its_folder_has_the_definition_of_the_release(release: Release) -> None:
    assert release.definition()["StartAt"] in release.definition()["States"]
    assert (ROOT / "tests" / "compatibility" / release.folder.name).is_dir()
