"""The validation of template files, and the check of parameters against a template."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.catalog.parsing import BrokenTemplate, parse_template
from darkroom.domain.errors import InvalidRequest
from darkroom.domain.parameters import check_parameters
from tests.builders import NOON, image_job

DOCUMENT: dict[str, Any] = {
    "code": "x",
    "name": "X",
    "description": "An x.",
    "version": 1,
    "category": "image",
    "provider": "replicate",
    "model": "a/x",
    "expected_seconds": 5,
    "seconds_max": 60,
    "required": ["prompt"],
    "parameters": {
        "prompt": {"type": "string", "pattern": r"\S"},
        "n": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
        "size": {"type": "string", "enum": ["s", "l"], "default": "s"},
        "strength": {"type": "number", "minimum": 0, "maximum": 1},
        "fast": {"type": "boolean"},
    },
    "cost_usd": {"per_output": 0.01, "source": "A price list.", "checked_on": "2026-11-29"},
}
TEMPLATE = parse_template(DOCUMENT)


def checked(**given: Any) -> dict[str, Any]:
    return check_parameters(TEMPLATE, given, prompt_characters_max=20)


def wrong_fields(**given: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as refused:
        checked(**given)
    assert all(error.message for error in refused.value.errors)
    return [error.field.removeprefix("parameters.") for error in refused.value.errors]


class TestBrokenTemplates:
    def test_the_error_names_a_missing_key(self) -> None:
        for key in DOCUMENT:
            with pytest.raises(BrokenTemplate, match=f"^{key}:"):
                parse_template({name: value for name, value in DOCUMENT.items() if name != key})

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("version", "1"),
            ("version", True),
            ("version", 1.0),
            ("code", 7),
            ("category", "sound"),
            ("required", "prompt"),
            ("parameters", []),
            ("seconds_max", None),
            ("outputs_parameter", 4),
            ("commercial_use", 1),
            ("rules", {}),
            ("colour", "red"),
        ],
    )
    def test_the_error_names_a_wrong_value_or_an_unknown_key(self, key: str, value: object) -> None:
        with pytest.raises(BrokenTemplate, match=f"^{key}:"):
            parse_template(DOCUMENT | {key: value})

    @pytest.mark.parametrize(
        "change",
        [
            {"required": ["prompt", "wings"]},
            {"outputs_parameter": "wings"},
            {
                "parameters": DOCUMENT["parameters"]
                | {"n": {"type": "integer", "maximum": 4, "default": 5}}
            },
            {"parameters": DOCUMENT["parameters"] | {"n": {"type": "integer", "default": "1"}}},
            {"parameters": DOCUMENT["parameters"] | {"n": {"type": "whole"}}},
            {"parameters": DOCUMENT["parameters"] | {"n": {"type": "integer", "minimum": "one"}}},
            {"parameters": DOCUMENT["parameters"] | {"n": {"type": "string", "pattern": "("}}},
        ],
    )
    def test_inconsistent_parameters_are_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(BrokenTemplate, match=r"^parameters"):
            parse_template(DOCUMENT | change)

    @pytest.mark.parametrize(
        "change",
        [
            {"price": {"credits": 0}},
            {"price": {"credits": -5}},
            {"seconds_max": 0},
            {"expected_seconds": -1},
            {"version": 0},
            {"expected_seconds": 61},
        ],
    )
    def test_a_number_below_its_minimum_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(BrokenTemplate):
            parse_template(DOCUMENT | change)


class TestBrokenConditions:
    @pytest.mark.parametrize(
        "change",
        [
            {"price": {"credits": 5, "colour": "red"}},
            {"price": {"credits_per_second": 5}},
            {"price": {"seconds_parameter": "n"}},
            {"price": {"credits": 5, "credits_per_second": 5, "seconds_parameter": "n"}},
            {"price": {"credits_per_second": 5, "seconds_parameter": "strength"}},
            {"price": {"credits_per_second": 5, "seconds_parameter": "wings"}},
            {"price": {"high_quality_when": {"wings": {"const": 2}}}},
            {"price": {"resolution_4k_when": {"n": {"minimum": "two"}}}},
            {"price": {"multipliers": [{"when": {}, "multiplier": 2}]}},
            {"price": {"multipliers": [{"when": {"n": {"const": 2}}, "multiplier": 0}]}},
            {"price": {"multipliers": [{"when": {"n": {"const": 2}}}]}},
            {"price": {"additions": [{"amount": -1}]}},
            {"price": {"additions": [{"amount": 1, "per_item_of": "n"}]}},
            {"price": {"additions": [{"amount": 1, "when": {"wings": {}}}]}},
            {"presets": [{"when": {"size": {"const": "l"}}, "sets": {"n": 5}}]},
            {"presets": [{"when": {"size": {"const": "l"}}, "sets": {"wings": 2}}]},
            {"presets": [{"when": {"wings": {}}, "sets": {"n": 2}}]},
            {"rules": [{"when": {}, "message": "No."}]},
            {"rules": [{"when": {"n": {"const": 1}}, "excludes": ["size"], "message": "No."}]},
            {"rules": [{"when": {"n": {"const": 4}}, "requires": ["wings"], "message": "No."}]},
            {
                "rules": [
                    {
                        "when": {"n": {"const": 4}},
                        "then": {"size": {"type": "large"}},
                        "message": "No.",
                    }
                ]
            },
            {"rules": [{"when": {"n": {"const": 4}}}]},
            {
                "rules": [{"when": {"n": {"const": 4}}, "requires": ["fast"], "message": "No."}],
                "presets": [{"when": {"size": {"const": "l"}}, "sets": {"n": 4}}],
            },
            {"own_parameters": ["wings"]},
            {"code": "Two words"},
        ],
    )
    def test_inconsistent_prices_rules_and_presets_are_refused(
        self, change: dict[str, Any]
    ) -> None:
        with pytest.raises(BrokenTemplate):
            parse_template(DOCUMENT | change)

    def test_consistent_prices_rules_and_presets_are_accepted(self) -> None:
        template = parse_template(
            DOCUMENT
            | {
                "price": {
                    "multipliers": [{"when": {"n": {"const": 2}}, "multiplier": 1.5}],
                    "high_quality_when": {"size": {"const": "l"}},
                },
                "rules": [{"when": {"strength": {}}, "requires": ["fast"], "message": "No."}],
                "presets": [{"when": {"size": {"const": "l"}}, "sets": {"n": 2}}],
                "own_parameters": ["size"],
            }
        )

        assert template.price.multipliers[0].multiplier == Decimal("1.5")
        assert (
            check_parameters(template, {"prompt": "a", "size": "l"}, prompt_characters_max=20)["n"]
            == 2
        )
        assert "size" not in template.model_input({"prompt": "a", "size": "l", "n": 2}).input


class TestBrokenImages:
    @staticmethod
    def document(schema: dict[str, Any], **change: Any) -> dict[str, Any]:
        return DOCUMENT | {"parameters": DOCUMENT["parameters"] | {"image": schema}} | change

    @pytest.mark.parametrize(
        ("rules", "key"),
        [
            ({"max_side": 1_500}, "max_side"),
            ({"max_side": "2048"}, "max_side"),
            ({"min_side": 0}, ""),
            ({"min_side": 1.5}, "min_side"),
            ({"bytes_max": True}, "bytes_max"),
            ({"aspect_ratio_max": 0.5}, "aspect_ratio_max"),
            ({"colour": "red"}, "colour"),
            ([], ""),
        ],
    )
    @pytest.mark.parametrize("is_list", [False, True])
    def test_the_error_names_the_wrong_rule(self, rules: Any, key: str, *, is_list: bool) -> None:
        image = {"type": "string", "format": "image", "x-image": rules}
        schema = {"type": "array", "items": image} if is_list else image

        with pytest.raises(BrokenTemplate, match=rf"^parameters\.image\.x-image.*{key}"):
            parse_template(self.document(schema))

    def test_rules_of_a_parameter_that_is_no_image_are_refused(self) -> None:
        with pytest.raises(BrokenTemplate, match="is not an image"):
            parse_template(self.document({"type": "string", "x-image": {"max_side": 2048}}))

    @pytest.mark.parametrize("name", ["n", "wings"])
    def test_a_scale_needs_a_known_parameter_and_one_image(self, name: str) -> None:
        with pytest.raises(BrokenTemplate, match=name if name == "wings" else "one image"):
            parse_template(DOCUMENT | {"scale_parameter": name})

    @pytest.mark.parametrize("values", [["2x", "4x"], [2, 4]])
    def test_a_scale_may_be_required_and_have_factors_as_texts(self, values: list[Any]) -> None:
        factor = {"type": "string" if values[0] == "2x" else "integer", "enum": values}
        document = self.document({"type": "string", "format": "image"}, scale_parameter="factor")
        document["parameters"] |= {"factor": factor}
        document["required"] = [*document["required"], "factor"]

        assert parse_template(document).scale_max == 4
        with pytest.raises(BrokenTemplate, match=r"^parameters\.factor: each value must be"):
            parse_template(
                document
                | {"parameters": document["parameters"] | {"factor": factor | {"enum": ["big"]}}}
            )

    @pytest.mark.parametrize("name", ["strength", "fast"])
    def test_a_scale_needs_a_maximum_and_a_default(self, name: str) -> None:
        image = {"type": "string", "format": "image"}

        with pytest.raises(BrokenTemplate, match=rf"^parameters\.{name}: needs a maximum"):
            parse_template(self.document(image, scale_parameter=name))
        assert parse_template(self.document(image, scale_parameter="n")).scale_parameter == "n"


class TestSourceAndInlineImages:
    def test_images_inside_a_request_must_be_uploads(self) -> None:
        image = {"type": "string", "format": "image"}
        upload = image | {"pattern": "^[0-9a-f-]{36}$"}
        documents = [
            TestBrokenImages.document(schema, inline_inputs_bytes_max=9)
            for schema in (upload, {"type": "array", "items": upload})
        ]

        for document in documents:
            assert parse_template(document).inline_inputs_bytes_max == 9
            with pytest.raises(BrokenTemplate, match="must be at least 1"):
                parse_template(document | {"inline_inputs_bytes_max": 0})
        with pytest.raises(BrokenTemplate, match=r"^parameters\.image: needs the pattern"):
            parse_template(TestBrokenImages.document(image, inline_inputs_bytes_max=9))

    def test_a_source_has_words_and_a_date(self) -> None:
        checked = {"source": "A price list.", "checked_on": "2026-11-29"}

        assert parse_template(DOCUMENT | {"checked": checked}).checked
        for change in ({"source": " "}, {"checked_on": "soon"}, {"colour": "red"}):
            with pytest.raises(BrokenTemplate, match=r"^checked"):
                parse_template(DOCUMENT | {"checked": checked | change})


class TestParameters:
    def test_defaults_are_filled_in(self) -> None:
        assert checked(prompt="a") == {"prompt": "a", "n": 1, "size": "s"}
        assert checked(prompt="a", n=4, size="l", fast=False, strength=0) == {
            "prompt": "a",
            "n": 4,
            "size": "l",
            "fast": False,
            "strength": 0,
        }

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("n", [0, 5, 1.5, True, "1", None, float("nan"), float("inf"), [], {}, 10**40]),
            ("size", ["m", "", 1, ["s"]]),
            ("strength", [1.01, -0.01, float("nan"), float("inf"), True]),
            ("fast", [1, "true"]),
            ("prompt", ["", " \t\n", 7, None, "x" * 21]),
            ("wings", [2]),
        ],
    )
    def test_the_error_names_a_wrong_parameter(self, name: str, values: list[object]) -> None:
        for value in values:
            assert wrong_fields(**{"prompt": "a", name: value}) == [name], value

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("n", 1),
            ("n", 4),
            ("n", 2.0),
            ("strength", 0),
            ("strength", 1.0),
            ("prompt", "x" * 20),
            ("prompt", "灯" * 20),
        ],
    )
    def test_values_at_the_limits_are_accepted(self, name: str, value: object) -> None:
        assert checked(**{"prompt": "a", name: value})[name] == value

    def test_a_whole_number_reaches_the_provider_as_an_integer(self) -> None:
        assert type(checked(prompt="a", n=2.0)["n"]) is int
        assert type(checked(prompt="a", strength=1.0)["strength"]) is float

    def test_one_error_names_each_wrong_parameter_once(self) -> None:
        assert wrong_fields(n=9, size="m", wings=2, horns=1) == [
            "horns",
            "n",
            "prompt",
            "size",
            "wings",
        ]

    def test_the_error_names_the_missing_parameter_among_similar_names(self) -> None:
        document = DOCUMENT | {
            "required": ["prompt", "prompt_2"],
            "parameters": DOCUMENT["parameters"] | {"prompt_2": {"type": "string"}},
        }

        with pytest.raises(InvalidRequest) as refused:
            check_parameters(parse_template(document), {"prompt": "a"}, prompt_characters_max=20)
        assert [error.field for error in refused.value.errors] == ["parameters.prompt_2"]

    @given(
        st.dictionaries(
            st.text(max_size=6),
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(),
                st.floats(),
                st.text(max_size=30),
                st.lists(st.integers(), max_size=2),
            ),
        )
    )
    def test_any_parameters_are_accepted_or_refused(self, given_parameters: dict[str, Any]) -> None:
        try:
            accepted = checked(**{"prompt": "a"} | given_parameters)
        except InvalidRequest:
            return
        assert accepted.keys() <= TEMPLATE.parameters.keys()


def test_a_job_stores_its_template_model_input_quote_and_queue_time() -> None:
    job = image_job(num_outputs=3, now=NOON)

    assert (job.template.code, job.template.version, job.template.name, job.template.category) == (
        "flux-schnell",
        2,
        "FLUX schnell",
        "image",
    )
    assert (job.model_input.model, job.model_input.outputs_count, job.model_input.images) == (
        "black-forest-labs/flux-schnell",
        3,
        (),
    )
    assert job.model_input.input == {
        name: value for name, value in job.parameters.items() if name != "quality"
    }
    assert (job.quoted, job.deadline_at, job.wait_seconds) == (30, None, 15)
    assert (job.expected_seconds, job.seconds_max) == (5, 300)
    assert job.queue_until == NOON + timedelta(seconds=3_600)
