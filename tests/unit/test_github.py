"""The GitHub workflows run the parts of `make check`, with pinned actions and few permissions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.aws import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = {
    target: prerequisites.split("##")[0].split()
    for target, prerequisites in re.findall(r"^([a-z-]+):(?!=)(.*)$", MAKEFILE, re.MULTILINE)
}
JOBS = [
    pytest.param(workflow.name, job, id=f"{workflow.stem}-{name}")
    for workflow in WORKFLOWS
    for name, job in yaml.safe_load(workflow.read_text())["jobs"].items()
]


def commands_of(job: dict[str, Any]) -> Iterator[list[str]]:
    """Yield each command of a job, with the values of its matrix in place of its variables."""
    matrix = job.get("strategy", {}).get("matrix", {})
    for step in job["steps"]:
        if "run" not in step:
            continue
        combinations: list[dict[str, str]] = [{}]
        for variable, value in step.get("env", {}).items():
            name = re.fullmatch(r"\$\{\{ matrix\.(\w+) \}\}", value)
            if name:
                combinations = [
                    {**combination, variable: one}
                    for combination in combinations
                    for one in matrix[name[1]]
                ]
        for combination in combinations:
            command = step["run"]
            for variable, value in combination.items():
                command = command.replace(f"${variable}", value)
            yield command.replace('"', "").split()


def all_commands(workflow: str) -> list[list[str]]:
    return [
        command
        for job in JOBS
        if job.values[0] == workflow
        for command in commands_of(job.values[1])  # type: ignore[arg-type]
    ]


def test_there_are_workflows() -> None:
    assert {workflow.name for workflow in WORKFLOWS} == {"ci.yml", "nightly.yml", "release.yml"}


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_each_command_is_a_target_of_the_makefile(workflow: str, job: dict[str, Any]) -> None:
    for program, target, *_ in commands_of(job):
        assert program == "make", workflow
        assert target in TARGETS, workflow


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_each_job_has_a_timeout(workflow: str, job: dict[str, Any]) -> None:
    assert job["timeout-minutes"] <= 120, workflow


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.name)
def test_actions_are_pinned_by_commit_with_their_version_beside(workflow: Any) -> None:
    used = re.findall(r"uses: (.*)", workflow.read_text())

    assert used
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.name)
def test_workflow_may_only_read_the_repository(workflow: Any) -> None:
    document = yaml.safe_load(workflow.read_text())

    assert document["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in document["jobs"].values())


def test_ci_runs_every_part_of_the_gate() -> None:
    targets = {command[1] for command in all_commands("ci.yml")}

    assert TARGETS["check"] == ["lint", "build", "coverage"]
    assert targets == {"lint", "build", "coverage-data", "coverage-report"}


def test_shards_of_ci_are_all_folders_with_tests() -> None:
    shards = {
        command[2].removeprefix("PYTEST_OPTIONS=")
        for command in all_commands("ci.yml")
        if command[1] == "coverage-data"
    }
    folders = {
        f"tests/{path.relative_to(ROOT / 'tests').parts[0]}"
        for path in (ROOT / "tests").rglob("test_*.py")
    }

    assert shards == folders


def test_long_checks_run_every_night() -> None:
    assert {command[1] for command in all_commands("nightly.yml")} == {
        "soak",
        "fuzz",
        "sabotage",
        "vulnerabilities",
    }
