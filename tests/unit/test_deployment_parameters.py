"""`make deploy` refuses wrong parameters before it builds, and says what to type."""

from __future__ import annotations

import pytest
from samcli.cli.types import CfnParameterOverridesType

from tests.aws import TEMPLATE
from tools.deployment.parameters import check_parameters
from tools.deployment.refusals import DeploymentRefused
from tools.deployment.settings import (
    Deployment,
    options_of,
    parse_parameters,
    previous_and_new,
    read_deployment,
)

REGION = "eu-central-1"
TOPIC = f"arn:aws:sns:{REGION}:123456789012:alarms"


def refusal_of(config: str, parameters: str, previous: dict[str, str] | None = None) -> str:
    """Return the reason why the deployment is refused, or an empty text."""
    try:
        deployment = read_deployment(config, parameters)
        values = previous_and_new(TEMPLATE, previous or {}, deployment.overrides)
        check_parameters(TEMPLATE, deployment, values, REGION)
    except DeploymentRefused as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize(
    ("parameters", "reason", "command"),
    [
        ("JobsPerMinuteMx=3", "no parameter JobsPerMinuteMx", "JobsPerMinuteMax=…"),
        ("JobsPerMinuteMax=0", "must be at least 1", "JobsPerMinuteMax=…"),
        ("JobsPerMinuteMax=many", "must be a number", "JobsPerMinuteMax=…"),
        ("PredictionsInFlightMax=1001", "must be at most 1000", "PredictionsInFlightMax=…"),
        ("LogRetentionDays=8", "must be one of 1, 3, 5", "LogRetentionDays=…"),
        ("JwtIssuer=https://id.example", "JwtIssuer requires JwtAudience", "JwtAudience=…"),
        ("AlarmTopicArn=alarms", "which is not an SNS topic", "AlarmTopicArn=arn:aws:sns:"),
        (
            "AlarmTopicArn=arn:aws:sns:us-east-1:123456789012:alarms",
            "AlarmTopicArn is in us-east-1, but the stack is in eu-central-1",
            "AlarmTopicArn=arn:aws:sns:",
        ),
    ],
)
def test_refuses_a_wrong_value_and_shows_the_command(
    parameters: str, reason: str, command: str
) -> None:
    refused = refusal_of("dev", parameters)

    assert reason in refused
    assert f'Type: make deploy CONFIG=dev PARAMETERS="{command}' in refused
    assert "\n" not in refused


def test_accepts_the_defaults_and_right_values() -> None:
    assert not refusal_of("dev", "")
    assert not refusal_of("dev", f"JobsPerMinuteMax=3 AlarmTopicArn={TOPIC}")
    assert not refusal_of("dev", "JwtIssuer=https://id.example JwtAudience=darkroom")


def test_production_requires_an_alarm_topic_now_or_from_the_stack() -> None:
    assert "AlarmTopicArn is not set" in refusal_of("prod", "")
    assert not refusal_of("prod", f"AlarmTopicArn={TOPIC}")
    assert not refusal_of("prod", "", previous={"AlarmTopicArn": TOPIC})


def test_a_rule_counts_the_values_that_the_stack_keeps() -> None:
    kept = {"JwtIssuer": "https://id.example", "JwtAudience": "darkroom"}

    assert not refusal_of("dev", "JobsPerMinuteMax=3", previous=kept)
    assert "JwtIssuer requires JwtAudience" in refusal_of("dev", "JwtAudience=", previous=kept)


def test_the_stack_keeps_each_value_that_is_not_given() -> None:
    template = {"Parameters": {"A": {"Default": 1}, "B": {"Default": 2}, "C": {"Default": 3}}}

    values = previous_and_new(template, {"A": "10", "B": "20", "Gone": "x"}, {"A": "11"})

    assert values == {"A": "11", "B": "20", "C": "3"}


def test_refuses_an_unknown_environment_and_text_that_is_no_parameter() -> None:
    assert "no environment 'stage'. Type: make deploy CONFIG=dev" in refusal_of("stage", "")
    assert "'JobsPerMinuteMax', which is not Name=value" in refusal_of("dev", "JobsPerMinuteMax")
    assert "PARAMETERS cannot be read" in refusal_of("dev", "A='b")


def test_parameters_of_the_command_line_extend_those_of_samconfig() -> None:
    dev = read_deployment("dev", "JobsPerMinuteMax=3")
    other = read_deployment("dev", "LogRetentionDays=30", "darkroom-two")

    assert dev == Deployment(
        "dev",
        "darkroom-dev",
        {"LogRetentionDays": "7", "AdminMfa": "optional", "JobsPerMinuteMax": "3"},
    )
    assert other == Deployment(
        "dev", "darkroom-two", {"LogRetentionDays": "30", "AdminMfa": "optional"}
    )
    assert not dev.is_production
    assert read_deployment("prod", "").is_production


def test_the_sam_cli_reads_every_value_as_it_was_typed() -> None:
    typed = parse_parameters(
        "AllowedOrigins=https://a.example,https://b.example Empty= Name='two words' "
        "Quoted='say \"yes\"' Path='C:\\dir' Equals=a=b"
    )

    option, *pairs = options_of(typed)

    assert option == "--parameter-overrides"
    assert CfnParameterOverridesType().convert(tuple(pairs), None, None) == typed
    assert options_of({}) == []
