"""Conditions on a template's parameters, and the rules and presets that depend on them.

The parameters' own JSON Schemas check each parameter alone. Conditions concern several parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

type Schema = Mapping[str, Any]
type Condition = Mapping[str, Schema]
"""Parameter names, each with the JSON Schema that its value must match.

A missing parameter does not match. The empty schema matches every value.
"""


def is_met(condition: Condition, parameters: Mapping[str, Any]) -> bool:
    """Return whether the parameters contain every name in the condition, with a matching value."""
    return all(
        name in parameters and Draft202012Validator(schema).is_valid(parameters[name])
        for name, schema in condition.items()
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """A restriction that the model imposes, or a combination that it would ignore and still bill.

    The rule applies if `when` is met. Each parameter in `then` must match its schema if it is
    present. Each parameter in `requires` must be present, and each in `excludes` must be absent.
    `message` describes how to correct the request.
    """

    when: Condition
    message: str
    then: Condition = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (for Pydantic, not a field)

    @property
    def field(self) -> str:
        """The parameter that an error message names: the first one of `when`."""
        return next(iter(self.when))

    @property
    def names(self) -> set[str]:
        """Every parameter that the rule names."""
        return {*self.when, *self.then, *self.requires, *self.excludes}

    def is_broken_by(self, parameters: Mapping[str, Any]) -> bool:
        """Return whether the parameters break the rule. The defaults must be filled in."""
        if not is_met(self.when, parameters):
            return False
        limited = {name: schema for name, schema in self.then.items() if name in parameters}
        return (
            not is_met(limited, parameters)
            or any(name not in parameters for name in self.requires)
            or any(name in parameters for name in self.excludes)
        )

    def schema(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """Return the rule as a JSON Schema for parameters without defaults.

        In this schema, a missing parameter counts as its default.
        """
        must_be_changed = [
            name
            for name, schema in self.then.items()
            if name in defaults and not is_met({name: schema}, defaults)
        ]
        must = {
            "properties": {**self.then, **dict.fromkeys(self.excludes, False)},
            "required": [
                *must_be_changed,
                *(name for name in self.requires if name not in defaults),
            ],
        }
        return {
            "if": _if(self.when, defaults),
            "then": {
                "description": self.message,
                **{key: value for key, value in must.items() if value},
            },
        }


@dataclass(frozen=True, slots=True)
class Preset:
    """Values for the model that follow from other parameters: if `when` is met, `sets` applies.

    A preset maps a parameter of Darkroom's own, for example `quality`, to the model's parameters.
    """

    when: Condition
    sets: Mapping[str, Any]

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (for Pydantic, not a field)

    def schema(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """Return the preset as a JSON Schema.

        If `when` is met, each parameter in `sets` is missing or has exactly the value there.
        """
        return {
            "if": _if(self.when, defaults),
            "then": {"properties": {name: {"const": value} for name, value in self.sets.items()}},
        }


def _if(condition: Condition, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a condition as a JSON Schema in which a missing parameter counts as its default."""
    required = [name for name, schema in condition.items() if not is_met({name: schema}, defaults)]
    return {"properties": dict(condition), "required": required}
