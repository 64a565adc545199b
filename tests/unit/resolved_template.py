"""The CloudFormation template of some parameters, with every reference and condition resolved."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

from local.cloudformation.intrinsics import Resolver, parameter_values, pseudo_parameters
from local.cloudformation.template import translate
from tests.aws import TEMPLATE


class NamedReferences:
    """Resolves each reference to a text that contains the names of the stack and the resource."""

    def __init__(self, stack: str) -> None:
        self._stack = stack

    def ref(self, logical_id: str) -> str:
        return f"{self._stack}-{logical_id}"

    def attribute(self, logical_id: str, attribute: str) -> str:
        return f"{self._stack}-{logical_id}-{attribute}"


@cache
def _translated(parameters: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return translate(copy.deepcopy(TEMPLATE), dict(parameters))


def translated(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the template that CloudFormation receives. Do not change the returned value."""
    return _translated(tuple(sorted(parameters.items())))


def resolver_of(parameters: Mapping[str, str], stack: str = "one") -> Resolver:
    template = translated(parameters)
    values = parameter_values(template, parameters) | pseudo_parameters(stack)
    return Resolver(template, values, NamedReferences(stack))


def resolved(parameters: Mapping[str, str], stack: str = "one") -> dict[str, dict[str, Any]]:
    """Return the resources that exist, with their resolved properties, by logical id."""
    resolver = resolver_of(parameters, stack)
    return {
        logical_id: resource | {"Properties": resolver.resolve(resource.get("Properties", {}))}
        for logical_id, resource in translated(parameters)["Resources"].items()
        if "Condition" not in resource or resolver.condition(resource["Condition"])
    }


def broken_rules(parameters: Mapping[str, str]) -> list[str]:
    """Return the names of the template's rules that refuse the parameters."""
    resolver = resolver_of(parameters)
    return [
        name
        for name, rule in TEMPLATE["Rules"].items()
        if resolver.holds(rule["RuleCondition"])
        and not all(resolver.holds(each["Assert"]) for each in rule["Assertions"])
    ]
