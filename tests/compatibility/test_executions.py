"""Executions and jobs of each release end with the present code as they ended with that release."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.compatibility.runs import run
from tests.compatibility.snapshot import Mode, Release, ends_of, modes, releases
from tests.simulation.environment import Environment

RELEASES = releases()
RUNS = [
    pytest.param(release, name, mode, id=f"{release.folder.name}-{name}-{mode}")
    for release in RELEASES
    for name in release.names
    for mode in modes(release.snapshot(name))
]


@cache
def run_of(release: Release, name: str, mode: Mode) -> Environment:
    return run(release.snapshot(name), mode, release.definition())


@pytest.mark.parametrize(("release", "name", "mode"), RUNS)
def test_a_job_ends_as_it_did(release: Release, name: str, mode: Mode) -> None:
    environment = run_of(release, name, mode)

    assert ends_of(environment) == release.snapshot(name)["ends"][mode]


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.folder.name)
def test_the_recorded_executions_enter_every_state(release: Release) -> None:
    entered: set[str] = set()
    for name in release.names:
        recorded = {each["name"] for each in release.snapshot(name)["executions"]}
        executions = run_of(release, name, Mode.CONTINUED).states.executions
        for execution in (executions[name] for name in recorded):
            assert execution.definition is release.definition()
            entered.update(execution.states_entered)

    assert entered == release.definition()["States"].keys()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.folder.name)
def test_no_recorded_execution_fails_unless_its_job_failed(release: Release) -> None:
    failed = {
        name: execution.error
        for name in release.names
        for execution in run_of(release, name, Mode.CONTINUED).states.executions.values()
        if execution.status == "FAILED"
    }

    assert failed == {"failed": None, "failing_by_a_fault": "JobFailed"}


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.folder.name)
def test_a_lost_execution_is_replaced_by_one_with_the_present_definition(release: Any) -> None:
    environment = run_of(release, "requested", Mode.LOST)

    ((job_id, execution),) = environment.states.executions.items()
    assert execution.definition is not release.definition()
    assert execution.status == "SUCCEEDED"
    assert job_id in release.snapshot("requested")["executions"][0]["name"]
