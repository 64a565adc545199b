"""Descriptions of models by their providers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from darkroom.domain.conditions import Schema


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """The model of a template, as its provider describes it today.

    `gone` says why no job of the template can run. It is None if the provider offers the model.
    `warnings` are other statements of the provider that an operator must read.

    `inputs` has the JSON Schema of each input that the provider describes, by the name of the
    template's parameter. If `is_complete`, the model has no other inputs. `required` has the inputs
    that the model requires. `facts` are shown to operators and not compared.
    """

    gone: str | None = None
    warnings: tuple[str, ...] = ()
    inputs: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    is_complete: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
