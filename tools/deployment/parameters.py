"""Checks the parameters of a deployment against the template, as CloudFormation does later."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from local.cloudformation.intrinsics import Resolver, Unresolvable, parameter_values
from tools.deployment.refusals import DeploymentRefused
from tools.deployment.settings import Deployment

_TOPIC = "arn:aws:sns:REGION:ACCOUNT:TOPIC"


def check_parameters(
    template: Mapping[str, Any], deployment: Deployment, values: Mapping[str, str], region: str
) -> None:
    """Check the names, the values and the rules. `values` are those after the deployment.

    Raises DeploymentRefused for the first fault.
    """
    declared = template["Parameters"]
    for name in deployment.overrides:
        if name not in declared:
            raise _unknown(name, list(declared), deployment)
    for name, value in values.items():
        for reason in _faults(name, value, declared[name]):
            raise DeploymentRefused(reason, _command(deployment, f"{name}=…"))
    for reason, assignments in _broken_rules(template, values):
        raise DeploymentRefused(reason, _command(deployment, assignments))
    _check_alarm_topic(deployment, values.get("AlarmTopicArn", ""), region)


def _command(deployment: Deployment, assignments: str) -> str:
    return f'make deploy CONFIG={deployment.config} PARAMETERS="{assignments}"'


def _unknown(name: str, names: list[str], deployment: Deployment) -> DeploymentRefused:
    reason = f"template.yaml has no parameter {name}."
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.5):
        return DeploymentRefused(reason, _command(deployment, f"{close[0]}=…"))
    return DeploymentRefused(f"{reason} docs/configuration.md lists all.")


def _faults(name: str, value: str, declared: Mapping[str, Any]) -> Iterator[str]:
    """Yield the reasons for which CloudFormation would refuse the value."""
    allowed = [str(each) for each in declared.get("AllowedValues", ())]
    if allowed and value not in allowed:
        yield f"{name} is {value!r}, but must be one of {', '.join(allowed)}."
    pattern = declared.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        expected = declared.get("ConstraintDescription", f"must match {pattern}")
        yield f"{name} is {value!r}, but {expected}."
    if declared["Type"] == "Number":
        try:
            number = float(value)
        except ValueError:
            yield f"{name} is {value!r}, but must be a number."
        else:
            if number < float(declared.get("MinValue", number)):
                yield f"{name} is {value}, but must be at least {declared['MinValue']}."
            if number > float(declared.get("MaxValue", number)):
                yield f"{name} is {value}, but must be at most {declared['MaxValue']}."


def _broken_rules(
    template: Mapping[str, Any], values: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the description of each broken assertion of the Rules, and the parameters to set."""
    typed = parameter_values(template, {name: values[name] for name in template["Parameters"]})
    for name, rule in template.get("Rules", {}).items():
        conditions = {"Applies": rule.get("RuleCondition", {"Fn::Equals": ["", ""]})}
        conditions |= {
            f"Assertion{number}": each["Assert"] for number, each in enumerate(rule["Assertions"])
        }
        resolver = Resolver({"Conditions": conditions}, typed, _NoResources())
        if not resolver.condition("Applies"):
            continue
        for number, each in enumerate(rule["Assertions"]):
            if not resolver.condition(f"Assertion{number}"):
                parameters = " ".join(f"{name}=…" for name in _references(each["Assert"]))
                yield str(each.get("AssertDescription", f"The rule {name} fails.")), parameters


def _references(value: Any) -> Iterator[str]:  # noqa: ANN401 (a part of the template)
    """Yield the parameter of each Ref in a value."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from [item] if name == "Ref" else _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


class _NoResources:
    """A rule may refer to parameters only."""

    def ref(self, logical_id: str) -> str:
        raise Unresolvable(f"a rule refers to {logical_id}")

    def attribute(self, logical_id: str, attribute: str) -> str:
        raise Unresolvable(f"a rule refers to {logical_id}.{attribute}")


def _check_alarm_topic(deployment: Deployment, topic: str, region: str) -> None:
    """Require a topic in production. An alarm can notify a topic of its own region only."""
    command = _command(deployment, f"AlarmTopicArn={_TOPIC}")
    if not topic:
        if deployment.is_production:
            raise DeploymentRefused(
                "AlarmTopicArn is not set, so nobody would learn of an alarm of prod.", command
            )
        return
    found = re.fullmatch(r"arn:[\w-]+:sns:([\w-]+):\d{12}:[\w-]+", topic)
    if not found:
        raise DeploymentRefused(f"AlarmTopicArn is {topic!r}, which is not an SNS topic.", command)
    if found[1] != region:
        raise DeploymentRefused(
            f"AlarmTopicArn is in {found[1]}, but the stack is in {region}. An alarm can notify a"
            " topic of its own region only.",
            command,
        )
