"""One environment of samconfig.toml, with the parameters of the command line."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samcli.cli.types import CfnParameterOverridesType

from tools.deployment.refusals import DeploymentRefused

SAMCONFIG = Path(__file__).parents[2] / "samconfig.toml"
_NAME = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True)
class Deployment:
    """An environment of samconfig.toml. `overrides` are the values of the parameters to change."""

    config: str
    stack: str
    overrides: dict[str, str]

    @property
    def is_production(self) -> bool:
        """Whether this environment serves real users."""
        return self.config == "prod"


def read_deployment(config: str, parameters: str, stack: str = "") -> Deployment:
    """Read an environment of samconfig.toml, and add the parameters of the command line.

    `parameters` has the format of a shell: Name=value Name='value with spaces'. `stack` replaces
    the name of the environment's stack. Raises DeploymentRefused.
    """
    environments = tomllib.loads(SAMCONFIG.read_text())
    names = [name for name in environments if name not in ("version", "default")]
    if config not in names:
        raise DeploymentRefused(
            f"samconfig.toml has no environment {config!r}.", f"make deploy CONFIG={names[0]}"
        )
    options = environments[config]["global"]["parameters"]
    configured = CfnParameterOverridesType().convert(options["parameter_overrides"], None, None)
    return Deployment(
        config, stack or options["stack_name"], {**configured, **parse_parameters(parameters)}
    )


def parse_parameters(text: str) -> dict[str, str]:
    """Parse Name=value pairs in the format of a shell. Raises DeploymentRefused."""
    example = "make deploy PARAMETERS=\"Name=value Other='two words'\""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise DeploymentRefused(f"PARAMETERS cannot be read: {error}.", example) from None
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (equals and _NAME.fullmatch(name)):
            raise DeploymentRefused(f"PARAMETERS has {word!r}, which is not Name=value.", example)
        pairs[name] = value
    return pairs


def options_of(overrides: Mapping[str, str]) -> list[str]:
    """Return the option of the SAM CLI that sets these parameters. It replaces samconfig.toml's."""
    if not overrides:
        return []
    return [
        "--parameter-overrides",
        *(f"{name}={_quoted(value)}" for name, value in overrides.items()),
    ]


def _quoted(value: str) -> str:
    """Quote a value for the SAM CLI's own parser of Name=value."""
    return '"' + value.replace('"', '\\"') + '"'


def previous_and_new(
    template: Mapping[str, Any], previous: Mapping[str, str], overrides: Mapping[str, str]
) -> dict[str, str]:
    """Return the value of every parameter after the deployment.

    `sam deploy` keeps the stack's value of each parameter that it does not get. A new parameter
    gets its default. Source: samcli/commands/deploy/deploy_context.py, `merge_parameters`.
    """
    return {
        name: overrides.get(name, previous.get(name, str(declared.get("Default", ""))))
        for name, declared in template.get("Parameters", {}).items()
    }
