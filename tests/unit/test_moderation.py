"""An operator limits how far users relax the moderation of a model."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from darkroom import catalog
from darkroom.catalog.parsing import BrokenTemplate, parse_template
from darkroom.domain.errors import InvalidRequest
from darkroom.domain.moderation import ModerationLimits, Strictness
from darkroom.domain.templates import Template
from darkroom.settings import settings
from tests.unit.catalog_samples import PROMPT_CHARACTERS_MAX, check, sample_parameters
from tests.unit.test_templates import DOCUMENT

NUMBER = {"type": "integer", "minimum": 1, "maximum": 6, "default": 2}
WORD = {"type": "string", "enum": ["auto", "low"], "default": "auto"}


def limited(
    code: str, *, tolerance: int = 6, strictness: str = "low", version: int | None = None
) -> Template:
    limits = ModerationLimits(tolerance, Strictness(strictness))
    return catalog.template(code, version).limited(limits)


def refused_message(template: Template, **given: Any) -> str | None:
    """Return the message about the only refused field, or None if the request is accepted."""
    try:
        check(template, sample_parameters(template, **given))
    except InvalidRequest as refused:
        (error,) = refused.errors
        assert error.field in {f"parameters.{name}" for name in given}
        return error.message
    return None


def test_the_defaults_of_the_settings_limit_nothing() -> None:
    for template in catalog.templates().values():
        assert template.limited(settings().moderation_limits).parameters == template.parameters


@pytest.mark.parametrize("limit", [1, 3, 6])
def test_a_number_may_be_at_most_the_limit_and_not_more(limit: int) -> None:
    template = limited("flux-1.1-pro", tolerance=limit)

    assert refused_message(template, safety_tolerance=limit) is None
    message = refused_message(template, safety_tolerance=limit + 1)

    assert message == f"The maximum is {limit}."


def test_the_strictest_number_of_a_model_stays_although_the_limit_is_lower() -> None:
    pro = limited("flux-1.1-pro", tolerance=0).parameters["safety_tolerance"]
    kontext = limited("flux-kontext-pro", tolerance=0).parameters["safety_tolerance"]

    assert (pro["minimum"], pro["maximum"], pro["default"]) == (1, 1, 1)
    assert (kontext["minimum"], kontext["maximum"], kontext["default"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("strictness", "allowed", "default"),
    [
        (
            "low",
            ["block_only_high", "block_low_and_above", "block_medium_and_above"],
            "block_only_high",
        ),
        (
            "medium",
            ["block_low_and_above", "block_medium_and_above"],
            "block_medium_and_above",
        ),
        ("high", ["block_low_and_above"], "block_low_and_above"),
    ],
)
def test_a_word_must_be_at_least_as_strict_as_the_limit(
    strictness: str, allowed: list[str], default: str
) -> None:
    template = limited("imagen-4-fast", strictness=strictness, version=1)

    assert template.parameters["safety_filter_level"]["enum"] == allowed
    assert check(template, sample_parameters(template))["safety_filter_level"] == default
    for value in catalog.template("imagen-4-fast", 1).parameters["safety_filter_level"]["enum"]:
        message = refused_message(template, safety_filter_level=value)
        expected = f"Must be one of {', '.join(allowed)}."
        assert message == (None if value in allowed else expected)


@pytest.mark.parametrize(
    ("strictness", "sent"),
    [
        ("low", "block_only_high"),
        ("medium", "block_medium_and_above"),
        ("high", "block_low_and_above"),
    ],
)
def test_a_fixed_strictness_follows_the_limit_and_is_no_choice(strictness: str, sent: str) -> None:
    template = limited("nano-banana-pro", strictness=strictness)
    other = "block_low_and_above" if sent == "block_only_high" else "block_only_high"

    assert check(template, sample_parameters(template))["safety_filter_level"] == sent
    assert "safety_filter_level" not in template.schema(prompt_characters_max=9)["properties"]
    assert refused_message(template, safety_filter_level=sent) is None
    assert refused_message(template, safety_filter_level=other) == (
        "The template sets this parameter. Omit the parameter."
    )


def test_the_published_schema_has_the_limit() -> None:
    template = limited("flux-1.1-pro", tolerance=2)
    schema = template.schema(prompt_characters_max=PROMPT_CHARACTERS_MAX)

    def is_valid(tolerance: int) -> bool:
        given = {"prompt": "a cat", "safety_tolerance": tolerance}
        return bool(Draft202012Validator(schema).is_valid(given))

    assert is_valid(2)
    assert not is_valid(3)


def test_a_limit_does_not_change_other_parameters_or_templates() -> None:
    schnell = catalog.template("flux-schnell")
    before = dict(catalog.template("flux-1.1-pro").parameters)

    strict = limited("flux-1.1-pro", tolerance=1, strictness="high").parameters

    assert limited("flux-schnell", tolerance=0, strictness="high") is schnell
    assert {name for name in before if before[name] != strict[name]} == {"safety_tolerance"}
    assert catalog.template("flux-1.1-pro").parameters == before


def test_each_parameter_of_the_catalog_that_relaxes_moderation_can_be_limited() -> None:
    for template in catalog.templates().values():
        choices = template.parameters.keys() - template.fixed.keys()
        relaxing = {name for name in choices if "safety" in name or "moder" in name}

        limited = {each.parameter for each in template.moderation if not each.is_fixed}
        assert limited == relaxing, template.code


@pytest.mark.parametrize(
    ("schema", "moderation"),
    [
        (NUMBER, {}),
        (NUMBER, {"is_tolerance": True, "strictness": {"auto": "low"}}),
        ({"type": "integer", "minimum": 1}, {"is_tolerance": True}),
        (WORD, {"is_tolerance": True}),
        (WORD, {"strictness": {"auto": "high"}}),
        (WORD, {"strictness": {"auto": "high", "low": "low", "off": "low"}}),
        (WORD, {"strictness": {"auto": "high", "low": "lowest"}}),
        (WORD, {"strictness": {"auto": "high", "low": "low"}, "colour": "red"}),
        (NUMBER, {"parameter": "wings", "is_tolerance": True}),
        (NUMBER, {"is_tolerance": True, "is_fixed": True}),
        (
            {"type": "string", "enum": ["auto", "low"]},
            {"strictness": {"auto": "high", "low": "low"}, "is_fixed": True},
        ),
    ],
)
def test_an_inconsistent_moderation_is_refused(
    schema: dict[str, Any], moderation: dict[str, Any]
) -> None:
    change = {
        "parameters": DOCUMENT["parameters"] | {"filter": schema},
        "moderation": [{"parameter": "filter"} | moderation],
    }

    with pytest.raises(BrokenTemplate, match=r"filter|wings|moderation"):
        parse_template(DOCUMENT | change)


def test_a_preset_must_not_set_a_parameter_that_the_operator_limits() -> None:
    change = {
        "parameters": DOCUMENT["parameters"] | {"filter": NUMBER},
        "moderation": [{"parameter": "filter", "is_tolerance": True}],
    }
    preset = {"presets": [{"when": {"size": {"const": "l"}}, "sets": {"filter": 6}}]}

    assert parse_template(DOCUMENT | change)
    with pytest.raises(BrokenTemplate, match="filter is set by a preset"):
        parse_template(DOCUMENT | change | preset)
