"""The limit of a text in UTF-16 code units, which is how Runway counts a prompt."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom import catalog
from darkroom.catalog.parsing import BrokenTemplate, parse_template
from darkroom.domain.errors import InvalidRequest
from darkroom.domain.parameters import check_parameters
from local.simulators.runway.model import MODELS
from tests.unit.test_templates import DOCUMENT

RUNWAY = [code for code in catalog.codes() if catalog.template(code).provider == "runway"]
IMAGE = "https://example.com/a.png"


def checked(code: str, prompt: str) -> dict[str, Any]:
    template = catalog.template(code)
    image = {"image": IMAGE} if "image" in template.parameters else {}
    return check_parameters(template, image | {"prompt": prompt}, prompt_characters_max=5_000)


@pytest.mark.parametrize("code", RUNWAY)
@pytest.mark.parametrize("prompt", ["x" * 1_000, "\u706f" * 1_000, "\U0001f98a" * 500])
def test_prompt_at_the_limit_is_accepted(code: str, prompt: str) -> None:
    assert checked(code, prompt)["prompt"] == prompt


@pytest.mark.parametrize("code", RUNWAY)
@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("x" * 1_001, "The maximum is 1000 characters."),
        (
            "\U0001f98a" * 501,
            "The maximum is 1000 UTF-16 code units. Most emoji count as two or more.",
        ),
    ],
)
def test_prompt_beyond_the_limit_is_refused_by_name(code: str, prompt: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked(code, prompt)

    assert [(error.field, error.message) for error in refused.value.errors] == [
        ("parameters.prompt", message)
    ]


@pytest.mark.parametrize("code", RUNWAY)
def test_runway_templates_state_the_limit_of_their_model(code: str) -> None:
    template = catalog.template(code)
    endpoint, _, model = template.model.partition("/")
    schema = template.schema(prompt_characters_max=5_000)["properties"]["prompt"]

    limit = MODELS[endpoint][model].properties["promptText"]["maxLength"]
    assert (schema["maxLength"], schema["x-max-length-utf16"]) == (limit, limit)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "string", "x-max-length-utf16": 0}, "above 0"),
        ({"type": "string", "x-max-length-utf16": "9"}, "above 0"),
        ({"type": "string", "x-max-length-utf16": True}, "above 0"),
        ({"type": "integer", "x-max-length-utf16": 9}, "not a text"),
    ],
)
def test_error_names_the_wrong_limit_of_a_template(schema: dict[str, Any], message: str) -> None:
    document = DOCUMENT | {"parameters": DOCUMENT["parameters"] | {"title": schema}}

    with pytest.raises(BrokenTemplate, match=rf"^parameters\.title\.x-max-length-utf16.*{message}"):
        parse_template(document)
