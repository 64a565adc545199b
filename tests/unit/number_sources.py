"""Reads numbers from the code, the settings, template.yaml and workflow.asl.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import timedelta
from types import ModuleType
from typing import Any

import httpx
from samcli.yamlhelper import yaml_parse

from darkroom.aws import clients
from darkroom.settings import Settings
from tests.aws import ROOT, TEMPLATE

STATES: dict[str, dict[str, Any]] = yaml_parse((ROOT / "workflow.asl.yaml").read_text())["States"]
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
_UNIT_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}
# The parameters whose default is also the default of a setting.
PARAMETERS_WITH_SETTINGS = (
    "DefaultImageCreditCost",
    "DefaultVideoCreditCost",
    "HighQualityMultiplier",
    "JobsInFlightMax",
    "JobsPerMinuteMax",
    "PredictionsInFlightMax",
    "PredictionsInFlightPerAccountMax",
    "QueueSecondsMax",
    "DailySpendUsdMax",
    "SafetyToleranceMax",
    "WelcomeCredits",
    "RetentionDays",
)


@dataclass(frozen=True)
class Number:
    """A number and its place in the code, for messages."""

    source: str
    value: float

    def __add__(self, other: Number) -> Number:
        return Number(f"{self.source} + {other.source}", self.value + other.value)

    def __mul__(self, other: Number) -> Number:
        return Number(f"{self.source} * {other.source}", self.value * other.value)

    def __rmul__(self, factor: int) -> Number:
        return Number(f"{factor} * {self.source}", factor * self.value)

    def __str__(self) -> str:
        return f"{self.source} = {self.value:g}"


def external(name: str, value: float) -> Number:
    """Return a number that AWS or a provider defines."""
    return Number(name, value)


def constant(module: ModuleType, name: str, *, unit: float = 1) -> Number:
    value = getattr(module, name)
    if isinstance(value, timedelta):
        value = value.total_seconds()
    return Number(f"{module.__name__}.{name}", value * unit)


def setting(name: str, *, unit: float = 1) -> Number:
    default: Any = next(field.default for field in fields(Settings) if field.name == name)
    return Number(f"Settings.{name}", float(default) * unit)


def template(resource: str, *path: str) -> Number:
    value: Any = RESOURCES[resource]["Properties"]
    for step in path:
        value = value[step]
    return Number(f"template.yaml: {'.'.join((resource, *path))}", float(value))


def parameter(name: str) -> Number:
    return Number(f"template.yaml: {name}.Default", float(TEMPLATE["Parameters"][name]["Default"]))


def timeout(function: str) -> Number:
    seconds = FUNCTIONS[function].get("Timeout", TEMPLATE["Globals"]["Function"]["Timeout"])
    return Number(f"template.yaml: {function}.Timeout", seconds)


def state_timeout(state: str) -> Number:
    return Number(f"workflow.asl.yaml: {state}.TimeoutSeconds", STATES[state]["TimeoutSeconds"])


def schedule(function: str, event: str) -> Number:
    expression = FUNCTIONS[function]["Events"][event]["Properties"]["ScheduleExpression"]
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    assert found, expression
    return Number(
        f"template.yaml: {function}.{event}.ScheduleExpression",
        int(found[1]) * _UNIT_SECONDS[found[2]],
    )


def largest(numbers: list[Number]) -> Number:
    return max(numbers, key=lambda number: number.value)


def smallest(numbers: list[Number]) -> Number:
    return min(numbers, key=lambda number: number.value)


def aws_call(name: str) -> Number:
    """Return the longest time of an AWS call: all tries, without the pauses between them."""
    config: Any = getattr(clients, name)
    tries = config.retries["total_max_attempts"]
    seconds = config.connect_timeout + config.read_timeout
    return Number(f"darkroom.aws.clients.{name}", tries * seconds)


def upload_expiry() -> Number:
    (rule,) = (
        rule
        for rule in RESOURCES["MediaBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
        if rule.get("Prefix") == "uploads/"
    )
    return Number(
        "template.yaml: MediaBucket.LifecycleConfiguration.inputs.ExpirationInDays",
        rule["ExpirationInDays"] * 86_400,
    )


def provider_call(module: ModuleType, name: str = "_TIMEOUT") -> Number:
    """Return the longest time of a call of a provider's API."""
    timeouts: httpx.Timeout = vars(module)[name]
    assert timeouts.connect
    assert timeouts.read
    return Number(f"{module.__name__}.{name}", timeouts.connect + timeouts.read)
