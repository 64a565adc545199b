"""What may be said about the parameters of a template together: conditions, and the rules and presets that hang on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

type Schema = Mapping[str, Any]
type Condition = Mapping[str, Schema]
"""Parameters that must be there, each with a JSON Schema that its value must match; an empty schema is matched by anything."""


def is_met(condition: Condition, parameters: Mapping[str, Any]) -> bool:
    """Tell whether every parameter that the condition names is there and as it says."""
    return all(
        name in parameters and Draft202012Validator(schema).is_valid(parameters[name])
        for name, schema in condition.items()
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """What the model refuses, or would ignore and bill. `message` tells the user what to do instead.

    When `when` is met, each parameter of `then` must match its schema if it is there, those of `requires` must be there, and those of
    `excludes` must not.
    """

    when: Condition
    message: str
    then: Condition = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (not a field of the dataclass; read by whoever parses the file)

    @property
    def field(self) -> str:
        """The parameter that a form would mark."""
        return next(iter(self.when))

    @property
    def names(self) -> set[str]:
        """Every parameter that the rule speaks of."""
        return {*self.when, *self.then, *self.requires, *self.excludes}

    def is_broken_by(self, parameters: Mapping[str, Any]) -> bool:
        """Tell whether these parameters, with the defaults filled in, break the rule."""
        if not is_met(self.when, parameters):
            return False
        limited = {name: schema for name, schema in self.then.items() if name in parameters}
        return (
            not is_met(limited, parameters)
            or any(name not in parameters for name in self.requires)
            or any(name in parameters for name in self.excludes)
        )

    def schema(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """Say the same in JSON Schema, of parameters before the defaults are filled in: one that is left out is its default."""
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
    """What a parameter of Darkroom's own means to the model: when `when` is met, the parameters of `sets` are these."""

    when: Condition
    sets: Mapping[str, Any]

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (as above)

    def schema(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """Say in JSON Schema that what the preset sets may be left out, and must not be contradicted."""
        return {
            "if": _if(self.when, defaults),
            "then": {"properties": {name: {"const": value} for name, value in self.sets.items()}},
        }


def _if(condition: Condition, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Say a condition of parameters before the defaults are filled in: one that is left out is its default."""
    must_be_given = [
        name for name, schema in condition.items() if not is_met({name: schema}, defaults)
    ]
    return {"properties": dict(condition), "required": must_be_given}
