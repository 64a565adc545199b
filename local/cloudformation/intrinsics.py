"""CloudFormation's intrinsic functions.

A name refers to a parameter, a pseudo parameter or, through `Names`, a resource of the stack. An
unknown function or name raises Unresolvable.
Source: CloudFormation User Guide, "Intrinsic function reference".
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import NAMESPACE_DNS, uuid5

from local.cloudformation.account import ACCOUNT_ID, PARTITION, REGION, URL_SUFFIX, arn

# Any value of a template.
type Value = Any

_SUBSTITUTION = re.compile(r"\$\{(!?)([^}]+)\}")
_NO_VALUE = object()


class Unresolvable(Exception):
    """The template uses an unknown name or function. The message names it."""


class Names(Protocol):
    """The physical names of a stack's resources."""

    def ref(self, logical_id: str) -> str:
        """Return the value of Ref. Raises Unresolvable for an unknown resource."""

    def attribute(self, logical_id: str, attribute: str) -> str:
        """Return the value of Fn::GetAtt. Raises Unresolvable for an unknown attribute."""


def stack_id(stack_name: str) -> str:
    """Return the ARN of a stack. Like on AWS, it ends with a UUID that no other stack has."""
    return arn("cloudformation", f"stack/{stack_name}/{uuid5(NAMESPACE_DNS, stack_name)}")


def pseudo_parameters(stack_name: str) -> dict[str, Any]:
    """Return the values of AWS::Region and the other pseudo parameters."""
    return {
        "AWS::AccountId": ACCOUNT_ID,
        "AWS::NotificationARNs": [],
        "AWS::Partition": PARTITION,
        "AWS::Region": REGION,
        "AWS::StackId": stack_id(stack_name),
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": URL_SUFFIX,
    }


def parameter_values(template: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the value of every parameter of the template: its value in `given`, or its default.

    Raises Unresolvable if `given` has a parameter that the template does not declare, and if a
    parameter has neither a value nor a default.
    """
    declared: Mapping[str, Any] = template.get("Parameters", {})
    if unknown := given.keys() - declared.keys():
        raise Unresolvable(f"the template has no parameter {', '.join(sorted(unknown))}")
    values = {}
    for name, declaration in declared.items():
        value = given.get(name, declaration.get("Default"))
        if value is None:
            raise Unresolvable(f"the parameter {name} has neither a value nor a default")
        values[name] = parameter_value(declaration, value)
    return values


def parameter_value(declaration: Mapping[str, Any], value: object) -> str | list[str]:
    """Return a value of a parameter as its type declares it: a text, or a list of texts."""
    kind: str = declaration["Type"]
    is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
    return [part.strip() for part in str(value).split(",")] if is_list else str(value)


class Resolver:
    """Resolves the intrinsic functions of a template."""

    def __init__(
        self, template: Mapping[str, Any], values: Mapping[str, Any], names: Names
    ) -> None:
        """Resolve names first from `values` (parameters, pseudo parameters), then from `names`."""
        self._conditions: Mapping[str, Any] = template.get("Conditions", {})
        self._mappings: Mapping[str, Any] = template.get("Mappings", {})
        self._values = values
        self._names = names
        self._functions: dict[str, Callable[[Value], Value]] = {
            "Ref": self._ref,
            "Fn::Base64": lambda value: base64.b64encode(
                str(self.resolve(value)).encode()
            ).decode(),
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::If": self._if,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::Sub": self._sub,
            "Fn::ToJsonString": lambda value: json.dumps(self.resolve(value)),
        }

    def resolve(self, value: Value) -> Value:
        """Resolve a value. An item that is AWS::NoValue is removed from its mapping or list.

        Raises Unresolvable for an unknown name or function.
        """
        resolved = self._resolve(value)
        return None if resolved is _NO_VALUE else resolved

    def condition(self, name: str) -> bool:
        """Return whether a condition of the template is true. Raises Unresolvable if unknown."""
        if name not in self._conditions:
            raise Unresolvable(f"the template has no condition {name}")
        return self.holds(self._conditions[name])

    def holds(self, condition: Value) -> bool:
        """Return whether a condition function is true. Raises Unresolvable if unknown."""
        match condition:
            case {"Condition": name}:
                return self.condition(name)
            case {"Fn::And": parts}:
                return all(self.holds(part) for part in parts)
            case {"Fn::Or": parts}:
                return any(self.holds(part) for part in parts)
            case {"Fn::Not": [part]}:
                return not self.holds(part)
            case {"Fn::Equals": [left, right]}:
                return _text(self.resolve(left)) == _text(self.resolve(right))
        raise Unresolvable(f"this is not a condition: {condition}")

    def _resolve(self, value: Value) -> Value:
        if isinstance(value, Mapping):
            return self._resolve_mapping(value)
        if isinstance(value, list):
            return [item for item in map(self._resolve, value) if item is not _NO_VALUE]
        if isinstance(value, str) and "{{resolve:" in value:
            raise Unresolvable(f"the local stack does not resolve dynamic references: {value}")
        return value

    def _resolve_mapping(self, value: Mapping[str, Value]) -> Value:
        if len(value) == 1:
            ((name, argument),) = value.items()
            if function := self._functions.get(name):
                return function(argument)
            if name.startswith("Fn::"):
                raise Unresolvable(f"the local stack does not implement {name}")
        resolved = {key: self._resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    def _ref(self, name: str) -> Value:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self._values:
            return self._values[name]
        return self._names.ref(name)

    def _get_att(self, target: str | list[Value]) -> str:
        logical_id, attribute = target.split(".", 1) if isinstance(target, str) else target
        return self._names.attribute(logical_id, self.resolve(attribute))

    def _if(self, arguments: list[Value]) -> Value:
        name, when_true, when_false = arguments
        return self._resolve(when_true if self.condition(name) else when_false)

    def _join(self, arguments: list[Any]) -> str:
        delimiter, values = arguments
        return str(delimiter).join(_text(value) for value in self.resolve(values))

    def _split(self, arguments: list[Any]) -> list[str]:
        delimiter, value = arguments
        return str(self.resolve(value)).split(delimiter)

    def _select(self, arguments: list[Value]) -> Value:
        index, values = arguments
        return self.resolve(values)[int(self.resolve(index))]

    def _find_in_map(self, arguments: list[Value]) -> Value:
        name, top, second = (self.resolve(argument) for argument in arguments[:3])
        try:
            return self._mappings[name][top][second]
        except KeyError as error:
            raise Unresolvable(
                f"the template has no mapping {name}, or it has no key {top}.{second}"
            ) from error

    def _sub(self, arguments: str | list[Any]) -> str:
        text, variables = (arguments, {}) if isinstance(arguments, str) else arguments

        def substitute(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                return _text(self.resolve(variables[name]))
            return _text(self._get_att(name) if "." in name else self.resolve({"Ref": name}))

        return _SUBSTITUTION.sub(substitute, text)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
