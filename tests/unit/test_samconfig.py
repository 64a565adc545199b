"""The options of the SAM CLI: each environment is complete, and each parameter that it overrides exists."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from samcli.cli.types import CfnParameterOverridesType, CfnTags

from tests.aws import ROOT, TEMPLATE

CONFIG: dict[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text())
ENVIRONMENTS = {name: environment for name, environment in CONFIG.items() if name != "version"}


def options_of(environment: str, command: str) -> dict[str, Any]:
    options: dict[str, Any] = ENVIRONMENTS[environment][command]["parameters"]
    return options


def tags_of(environment: str) -> dict[str, str]:
    tags: dict[str, str] = CfnTags().convert(options_of(environment, "deploy")["tags"], None, None)
    return tags


def test_there_are_a_default_environment_and_the_two_of_the_makefile() -> None:
    assert ENVIRONMENTS.keys() == {"default", "dev", "prod"}


def test_the_default_environment_is_dev() -> None:
    assert ENVIRONMENTS["default"] == ENVIRONMENTS["dev"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_says_what_it_deploys_and_how(environment: str) -> None:
    stack_name = options_of(environment, "global")["stack_name"]
    deploy = options_of(environment, "deploy")

    assert tags_of(environment) == {
        "application": "darkroom",
        "environment": stack_name.removeprefix("darkroom-"),
    }
    assert deploy["s3_prefix"] == stack_name
    assert deploy["capabilities"] == "CAPABILITY_IAM"
    assert deploy["resolve_s3"] is True
    assert deploy["disable_rollback"] is False


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_overrides_parameters_that_exist_by_values_that_they_allow(
    environment: str,
) -> None:
    overrides = CfnParameterOverridesType().convert(
        options_of(environment, "global")["parameter_overrides"], None, None
    )

    assert overrides
    for name, value in overrides.items():
        allowed = TEMPLATE["Parameters"][name].get("AllowedValues")
        assert allowed is None or value in map(str, allowed), name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_validation_lints(environment: str) -> None:
    assert options_of(environment, "validate") == {"lint": True}


def test_the_region_is_left_to_the_surroundings() -> None:
    assert not [
        name
        for name, commands in ENVIRONMENTS.items()
        for options in commands.values()
        if "region" in options["parameters"]
    ]


def test_only_production_asks_before_it_changes_anything() -> None:
    assert {name: options_of(name, "deploy")["confirm_changeset"] for name in ENVIRONMENTS} == {
        "default": False,
        "dev": False,
        "prod": True,
    }
