"""The steps of a deployment: check, build, deploy."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from samcli.yamlhelper import yaml_parse

from tools import check_build
from tools.deployment import build
from tools.deployment.account import Account, check_stack, read_stack, sign_in
from tools.deployment.parameters import check_parameters
from tools.deployment.refusals import DeploymentRefused
from tools.deployment.settings import (
    SAMCONFIG,
    Deployment,
    options_of,
    previous_and_new,
)

ROOT = SAMCONFIG.parent
BUILD = ROOT / ".aws-sam/build"


@dataclass(frozen=True)
class Plan:
    """A deployment that was checked. `values` are the values of all parameters afterwards."""

    deployment: Deployment
    account: Account
    values: dict[str, str]
    kept: dict[str, str]

    def summary(self) -> str:
        """Return the lines that a person reads before the deployment."""
        deployment, account = self.deployment, self.account
        where = f"{account.region}, account {account.identifier}, as {account.caller}"
        lines = [
            f"Stack {deployment.stack} in {where}.",
            f"Parameters: {_listed(deployment.overrides) or 'the defaults'}.",
        ]
        if self.kept:
            lines.append(f"Kept from the stack: {_listed(self.kept)}.")
        return "\n".join(lines)


def check(deployment: Deployment) -> Plan:
    """Check everything that a deployment needs. Raises DeploymentRefused."""
    account = sign_in()
    stack = read_stack(deployment.stack)
    check_stack(deployment.stack, stack)
    template = yaml_parse((ROOT / "template.yaml").read_text())
    template["Parameters"].pop(build.PARAMETER, None)
    values = previous_and_new(template, stack.parameters, deployment.overrides)
    check_parameters(template, deployment, values, account.region)
    kept = {
        name: value
        for name, value in values.items()
        if name not in deployment.overrides
        and value != str(template["Parameters"][name].get("Default", ""))
    }
    return Plan(deployment, account, values, kept)


def build_for_aws(deployment: Deployment) -> None:
    """Build the functions and layers. Raises DeploymentRefused or CalledProcessError."""
    overrides = options_of(deployment.overrides)
    _run(["sam", "build", "--config-env", deployment.config, *overrides])
    finish_build(BUILD, deployment.overrides.get("Architecture", "arm64"))


def finish_build(directory: Path, architecture: str) -> None:
    """Compile the sources, finish the template, and check the build. Raises DeploymentRefused."""
    compiler = [sys.executable, "-m", "compileall", "-q", "-f"]
    # The bytecode contains the path as it is given here. A relative path is the same everywhere.
    path = str(directory.relative_to(ROOT))
    _run([*compiler, "--invalidation-mode", "unchecked-hash", path])
    build.finish(directory)
    if faults := list(check_build.faults(directory, architecture)):
        raise DeploymentRefused("\n".join(faults))


def deploy(plan: Plan, directory: Path = BUILD, output: IO[str] | None = None) -> None:
    """Deploy a build. Raises CalledProcessError if the SAM CLI fails.

    A pipeline (variable CI) confirms no changes. A file `output` gets the SAM CLI's output.
    """
    unattended = ["--no-confirm-changeset"] if output or os.environ.get("CI") else []
    quiet = ["--no-progressbar"] if output else []
    template = build.deploy_template(directory, plan.values)
    deployment = plan.deployment
    _run(
        [
            *("sam", "deploy", "--config-file", str(SAMCONFIG), "--config-env", deployment.config),
            *("--stack-name", deployment.stack, "--s3-prefix", deployment.stack),
            *("--template-file", str(template), *unattended, *quiet),
            *options_of(deployment.overrides),
        ],
        output,
    )


def _run(command: list[str], output: IO[str] | None = None) -> None:
    subprocess.run(command, cwd=ROOT, check=True, stdout=output, stderr=output)  # noqa: S603


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
