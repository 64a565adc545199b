"""The GitHub workflows run the parts of `make check`, with pinned actions and few permissions."""

from __future__ import annotations

import json
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
DEPLOY: dict[str, Any] = yaml.safe_load((WORKFLOWS[0].parent / "deploy.yml").read_text())
# The jobs that ask GitHub for a token that AWS accepts.
DEPLOYING = {("deploy.yml", "dev"), ("deploy.yml", "prod")}
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
    assert {workflow.name for workflow in WORKFLOWS} == {
        "ci.yml",
        "deploy.yml",
        "nightly.yml",
        "release.yml",
    }


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
    for name, job in document["jobs"].items():
        if (workflow.name, name) in DEPLOYING:
            assert job["permissions"] == {"contents": "read", "id-token": "write"}, name
        else:
            assert "permissions" not in job, name


def test_ci_runs_every_part_of_the_gate() -> None:
    targets = {command[1] for command in all_commands("ci.yml")}

    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe
    gate = {word for word in recipe[1].split() if word in TARGETS}
    assert gate == {*TARGETS["lint"], "builds", "coverage"}
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
        "chaos",
        "soak",
        "fuzz",
        "sabotage",
        "vulnerabilities",
        "deploy-check",
    }


def steps_of(job: str) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = DEPLOY["jobs"][job]["steps"]
    return steps


def test_dev_works_before_prod_is_deployed() -> None:
    commands = {name: list(commands_of(job)) for name, job in DEPLOY["jobs"].items()}

    assert commands == {
        "build": [["make", "build"]],
        "dev": [
            ["make", "setup"],
            ["make", "deploy-built", "CONFIG=dev"],
            ["make", "smoke", "CONFIG=dev"],
        ],
        "prod": [
            ["make", "setup"],
            ["make", "deploy-built", "CONFIG=prod"],
            ["make", "smoke", "CONFIG=prod"],
        ],
    }
    assert DEPLOY["jobs"]["dev"]["needs"] == "build"
    assert DEPLOY["jobs"]["prod"]["needs"] == "dev"
    assert DEPLOY["jobs"]["dev"]["environment"] == "development"
    assert DEPLOY["jobs"]["prod"]["environment"] == "production"


def test_dev_and_prod_get_the_build_of_the_first_job() -> None:
    artifacts = {
        name: [
            {key: step["with"][key] for key in ("name", "path")}
            for step in steps_of(name)
            if "-artifact@" in step.get("uses", "")
        ]
        for name in DEPLOY["jobs"]
    }

    artifact = {"name": "build", "path": ".aws-sam/build"}
    assert artifacts == {"build": [artifact], "dev": [artifact], "prod": [artifact]}


def test_only_the_jobs_that_deploy_get_credentials_and_after_the_installation() -> None:
    uses = {
        name: [step.get("uses", step.get("run", "")).split("@")[0] for step in steps_of(name)]
        for name in DEPLOY["jobs"]
    }
    credentials = "aws-actions/configure-aws-credentials"

    assert credentials not in uses["build"]
    for name in ("dev", "prod"):
        assert uses[name].index("make setup") < uses[name].index(credentials)
        (step,) = (step for step in steps_of(name) if credentials in step.get("uses", ""))
        assert step["with"] == {
            "aws-region": "${{ vars.AWS_REGION }}",
            "role-to-assume": "${{ vars.DEPLOY_ROLE_ARN }}",
        }


def test_the_documented_role_trusts_the_environments_of_the_workflow() -> None:
    page = (ROOT / "docs/deploying.md").read_text()
    trust = json.loads(page.partition("```json trust\n")[2].partition("```")[0])

    (statement,) = trust["Statement"]
    subjects = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    environments = {job["environment"] for job in DEPLOY["jobs"].values() if "environment" in job}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert {subject.rpartition(":")[2] for subject in subjects} == environments
    for name in ("AWS_REGION", "DEPLOY_ROLE_ARN", "PARAMETERS", "SMOKE_EMAIL", "SMOKE_PASSWORD"):
        assert f"`{name}`" in page, name


def test_the_variables_of_each_step_are_read_by_its_command() -> None:
    sources = {
        "deploy-built": ROOT / "tools/deployment/__main__.py",
        "smoke": ROOT / "tools/smoke.py",
    }
    for name in ("dev", "prod"):
        for step in steps_of(name):
            if "env" in step:
                text = sources[step["run"].split()[1]].read_text()
                assert all(f'"{variable}"' in text for variable in step["env"]), step["run"]
