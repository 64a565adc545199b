"""The template of docs/adding-a-template.md: its price, its preset, its rule, its model."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from decimal import Decimal

import pytest

from darkroom.catalog.parsing import parse_template
from darkroom.domain.errors import InvalidRequest
from darkroom.domain.input_rules import ImageRules
from darkroom.domain.moderation import ModerationLimits, Strictness
from darkroom.domain.parameters import check_parameters
from darkroom.domain.prices import Prices
from darkroom.domain.templates import Template
from local.simulators.replicate.model_table import find_by_name
from tests.aws import ROOT

PAGE = (ROOT / "docs/adding-a-template.md").read_text(encoding="utf-8")
PRICES = Prices(image=10, video=50, high_quality_multiplier=Decimal("1.5"))


def block(info: str) -> str:
    (found,) = re.findall(rf"```{info}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture
def template() -> Template:
    return parse_template(tomllib.loads(block("toml") + block("toml rule")))


def cost(template: Template, **given: object) -> int:
    parameters = check_parameters(template, {"prompt": "a cat"} | given, prompt_characters_max=100)
    return template.cost(parameters, PRICES)


def test_the_template_costs_what_the_page_says(template: Template) -> None:
    assert cost(template) == 6
    assert cost(template, quality="high") == 9
    assert cost(template, num_outputs=4) == 4 * 9


def test_the_provider_bills_what_the_page_says(template: Template) -> None:
    def micro_usd(**given: object) -> int:
        parameters = check_parameters(
            template, {"prompt": "a cat"} | given, prompt_characters_max=100
        )
        return template.cost_micro_usd(parameters)

    assert micro_usd() == 3_000
    assert micro_usd(num_outputs=2) == 6_000
    assert micro_usd(quality="high") == 6_000


def test_the_operator_limits_the_moderation_of_the_examples() -> None:
    tables = block("toml") + block("toml tolerance") + block("toml strictness")

    limited = parse_template(tomllib.loads(tables)).limited(ModerationLimits(1, Strictness.MEDIUM))

    assert limited.parameters["safety_tolerance"]["maximum"] == 1
    assert limited.parameters["moderation"]["enum"] == ["auto"]


def test_the_preset_changes_the_input_of_the_model(template: Template) -> None:
    parameters = check_parameters(
        template, {"prompt": "a cat", "quality": "high"}, prompt_characters_max=100
    )

    assert template.model_input(parameters).input == {
        "prompt": "a cat",
        "num_outputs": 1,
        "go_fast": False,
        "output_quality": 100,
    }


def test_the_rule_refuses_with_its_message(template: Template) -> None:
    with pytest.raises(InvalidRequest) as refused:
        cost(template, num_outputs=4, quality="high")

    (error,) = refused.value.errors
    assert error.message in block("toml rule")


def test_the_image_has_the_rules_of_the_page() -> None:
    template = parse_template(tomllib.loads(block("toml") + block("toml image")))

    assert template.image_rules == {"image": ImageRules(2048, 300, 2.5, None, 10_000_000)}
    documented = set(re.findall(r"^\| `(\w+_\w+)` \|", PAGE, re.MULTILINE))
    assert {field.name for field in fields(ImageRules)} <= documented


def test_a_list_of_the_page_takes_three_images_in_their_order() -> None:
    template = parse_template(tomllib.loads(block("toml") + block("toml images")))
    urls = [f"https://example.com/{number}.png" for number in (2, 1, 3)]

    parameters = check_parameters(
        template, {"prompt": "a cat", "input_images": urls}, prompt_characters_max=100
    )

    assert template.model_input(parameters).input["input_images"] == urls
    assert template.image_rules["input_images"].max_side == 2048
    with pytest.raises(InvalidRequest):
        cost(template, input_images=[*urls, urls[0]])


def test_the_source_of_the_page_is_valid(template: Template) -> None:
    assert template.checked
    assert template.checked.source == "The schema on the model's page at Replicate."


def test_the_fixed_value_is_sent_and_not_published() -> None:
    template = parse_template(tomllib.loads(block("toml") + block("toml fixed")))

    parameters = check_parameters(template, {"prompt": "a cat"}, prompt_characters_max=100)

    assert template.model_input(parameters).input["allow_fallback_model"] is False
    properties = template.schema(prompt_characters_max=100)["properties"]
    assert "allow_fallback_model" not in properties


def test_the_local_stack_simulates_the_model(template: Template) -> None:
    assert find_by_name(template.model)
