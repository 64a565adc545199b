"""A parameter with one value: the template sends the value, and users neither see nor change it."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom import catalog
from darkroom.catalog.parsing import BrokenTemplate, parse_template
from darkroom.domain.errors import InvalidRequest
from darkroom.domain.moderation import ModerationLimits, Strictness
from darkroom.domain.parameters import check_parameters
from darkroom.domain.templates import Template
from tests.unit.test_templates import DOCUMENT

FIXED: dict[str, dict[str, Any]] = {
    "fallback": {"type": "boolean", "enum": [False], "default": False},
    "filter": {"type": "string", "enum": ["strict"], "default": "strict"},
    "fps": {"type": "integer", "enum": [24], "default": 24},
}
CHOICES: dict[str, dict[str, Any]] = {
    "one_or_none": {"type": "string", "enum": ["a"]},
    "two": {"type": "string", "enum": ["a", "b"], "default": "a"},
    "level": {"type": "string", "enum": ["off", "on"], "default": "off"},
}
FIXED_VALUES = {"fallback": False, "filter": "strict", "fps": 24}


def document(**keys: Any) -> dict[str, Any]:
    return DOCUMENT | {"parameters": DOCUMENT["parameters"] | FIXED | CHOICES} | keys


TEMPLATE = parse_template(document())


def check(template: Template = TEMPLATE, **given: Any) -> dict[str, Any]:
    return check_parameters(template, {"prompt": "a", **given}, prompt_characters_max=20)


def refused(**given: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as error:
        check(**given)
    return [(each.field, each.message) for each in error.value.errors]


def test_the_values_are_sent_to_the_model() -> None:
    sent = TEMPLATE.model_input(check()).input

    assert TEMPLATE.fixed == FIXED_VALUES
    assert sent.items() >= FIXED_VALUES.items()
    assert sent["fallback"] is False


def test_the_published_schema_has_the_choices_only() -> None:
    published = TEMPLATE.schema(prompt_characters_max=20)["properties"]

    assert published.keys() == (DOCUMENT["parameters"] | CHOICES).keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [("fallback", True), ("fallback", 0), ("fallback", None), ("filter", "off"), ("fps", 30)],
)
def test_another_value_is_refused_and_the_error_tells_what_to_do(name: str, value: object) -> None:
    assert refused(**{name: value}) == [
        (f"parameters.{name}", "The template sets this parameter. Omit the parameter.")
    ]


def test_the_value_itself_is_accepted_because_a_rerun_sends_it() -> None:
    parameters = check(two="b")

    assert check(**{name: value for name, value in parameters.items() if name != "prompt"}) == (
        parameters
    )
    assert type(check(fps=24.0)["fps"]) is int


def test_an_error_about_another_name_does_not_list_the_fixed_ones() -> None:
    ((field, message),) = refused(wings=2)

    assert field == "parameters.wings"
    assert not any(name in message for name in FIXED)
    assert all(name in message for name in CHOICES)


def test_a_choice_that_the_operators_limits_reduce_to_one_value_stays_visible() -> None:
    moderated = parse_template(
        document(moderation=[{"parameter": "level", "strictness": {"off": "low", "on": "high"}}])
    )
    limited = moderated.limited(ModerationLimits(6, Strictness.HIGH))

    assert limited.parameters["level"]["enum"] == ["on"]
    assert limited.schema(prompt_characters_max=20)["properties"]["level"]["enum"] == ["on"]
    assert check(limited)["level"] == "on"


@pytest.mark.parametrize(
    "change",
    [
        {"rules": [{"when": {"fps": {}}, "excludes": ["fast"], "message": "No."}]},
        {"rules": [{"when": {"strength": {}}, "requires": ["fps"], "message": "No."}]},
        {"presets": [{"when": {"size": {"const": "l"}}, "sets": {"fps": 24}}]},
    ],
)
def test_no_rule_and_no_preset_may_name_it(change: dict[str, Any]) -> None:
    with pytest.raises(BrokenTemplate, match=r"^parameters\.fps: has one value only"):
        parse_template(document(**change))


def test_the_catalog_sends_its_fixed_values() -> None:
    assert catalog.template("seedance-1-lite", 2).fixed == {"fps": 24}
