"""The options of the SAM CLI: environments are complete, and override only existing parameters."""

from __future__ import annotations

import tomllib
from typing import Any

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


def overrides_of(environment: str) -> dict[str, str]:
    overrides: dict[str, str] = CfnParameterOverridesType().convert(
        options_of(environment, "global")["parameter_overrides"], None, None
    )
    return overrides


def test_the_environments_are_default_dev_and_prod() -> None:
    assert ENVIRONMENTS.keys() == {"default", "dev", "prod"}


def test_the_default_environment_is_dev() -> None:
    assert ENVIRONMENTS["default"] == ENVIRONMENTS["dev"]


def test_every_environment_sets_the_options_of_a_deployment() -> None:
    for environment in ENVIRONMENTS:
        stack_name = options_of(environment, "global")["stack_name"]
        deploy = options_of(environment, "deploy")

        assert tags_of(environment) == {
            "application": "darkroom",
            "environment": stack_name.removeprefix("darkroom-"),
        }, environment
        assert deploy["s3_prefix"] == stack_name, environment
        assert deploy["capabilities"] == "CAPABILITY_IAM", environment
        assert deploy["resolve_s3"] is True, environment
        assert deploy["disable_rollback"] is False, environment


def test_every_environment_overrides_existing_parameters_with_allowed_values() -> None:
    for environment in ENVIRONMENTS:
        overrides = overrides_of(environment)

        assert overrides, environment
        for name, value in overrides.items():
            allowed = TEMPLATE["Parameters"][name].get("AllowedValues")
            assert allowed is None or value in map(str, allowed), f"{environment}: {name}"


def test_sam_validate_lints_in_every_environment() -> None:
    for environment in ENVIRONMENTS:
        assert options_of(environment, "validate") == {"lint": True}, environment


def test_no_environment_sets_a_region() -> None:
    with_region = [
        f"{name} {command}"
        for name, commands in ENVIRONMENTS.items()
        for command, options in commands.items()
        if "region" in options["parameters"]
    ]

    assert not with_region


def test_only_prod_shows_its_changes_and_asks_before_it_applies_them() -> None:
    """In a pipeline, `make deploy` asks nothing: tests/unit/test_deployment_build.py."""
    asks = {name: options_of(name, "deploy")["confirm_changeset"] for name in ENVIRONMENTS}

    assert asks == {"default": False, "dev": False, "prod": True}


def test_prod_deploys_the_api_by_a_canary_and_protects_its_data() -> None:
    overrides = overrides_of("prod")

    assert overrides["ApiDeploymentPreference"].startswith("Canary")
    assert overrides["DeletionProtection"] == overrides["MediaVersioning"] == "true"
    assert overrides.get("AdminMfa", TEMPLATE["Parameters"]["AdminMfa"]["Default"]) == "required"


def test_prod_shows_where_the_topic_of_the_alarms_goes() -> None:
    text = (ROOT / "samconfig.toml").read_text().partition("[prod.global.parameters]")[2]

    assert '"AlarmTopicArn=arn:aws:sns:' in text.partition("[prod.validate")[0]
