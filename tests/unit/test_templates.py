from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom import catalog
from darkroom.domain.errors import InvalidRequest, NotFound
from darkroom.domain.templates import BrokenTemplate, Template, checked_parameters, parse_template
from darkroom.providers import provider_named
from tests.builders import NOON, image_job

DOCUMENT: dict[str, Any] = {
    "code": "x", "name": "X", "description": "An x.", "version": 1, "category": "image", "provider": "replicate", "model": "a/x",
    "expected_seconds": 5, "seconds_max": 60, "required": ["prompt"],
    "parameters": {
        "prompt": {"type": "string", "pattern": r"\S"},
        "n": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
        "size": {"type": "string", "enum": ["s", "l"], "default": "s"},
        "strength": {"type": "number", "minimum": 0, "maximum": 1},
        "fast": {"type": "boolean"},
    },
}  # fmt: skip
TEMPLATE = parse_template(DOCUMENT)


def checked(**given: Any) -> dict[str, Any]:
    return checked_parameters(TEMPLATE, given, prompt_characters_max=20)


def fields(**given: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as refused:
        checked(**given)
    assert all(error.message for error in refused.value.errors)
    return [error.field.removeprefix("parameters.") for error in refused.value.errors]


class TestCatalog:
    @pytest.mark.parametrize("template", catalog.templates().values(), ids=lambda template: template.code)
    def test_every_template_can_be_sold(self, template: Template) -> None:
        parameters = checked_parameters(template, {"prompt": "a lighthouse"}, prompt_characters_max=5_000)

        assert template.outputs_count(parameters) == 1
        assert template.work(parameters).input == parameters
        assert 0 < template.expected_seconds < template.seconds_max
        assert callable(provider_named(template.provider).request)
        assert all("description" in schema for schema in template.parameters.values())

    def test_holds_the_templates_of_its_folder(self) -> None:
        assert list(catalog.templates()) == ["flux-1.1-pro", "flux-schnell"]
        assert catalog.template("flux-schnell").outputs_parameter == "num_outputs"

    @pytest.mark.parametrize("code", ["", "flux", "FLUX-SCHNELL", "../x", "flux-schnell.toml"])
    def test_another_code_is_not_found(self, code: str) -> None:
        with pytest.raises(NotFound):
            catalog.template(code)


class TestBrokenTemplates:
    @pytest.mark.parametrize("key", DOCUMENT)
    def test_a_missing_key_is_named(self, key: str) -> None:
        with pytest.raises(BrokenTemplate, match=f"^{key}:"):
            parse_template({name: value for name, value in DOCUMENT.items() if name != key})

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("version", "1"), ("version", True), ("version", 1.0), ("code", 7), ("category", "sound"),
            ("required", "prompt"), ("parameters", []), ("seconds_max", None),
            ("credits", "10"), ("credits", True), ("outputs_parameter", 4), ("colour", "red"),
        ],
    )  # fmt: skip
    def test_a_wrong_value_or_an_unknown_key_is_named(self, key: str, value: object) -> None:
        with pytest.raises(BrokenTemplate, match=f"^{key}:"):
            parse_template(DOCUMENT | {key: value})

    @pytest.mark.parametrize(
        "change",
        [
            {"required": ["prompt", "wings"]},
            {"outputs_parameter": "wings"},
            {"parameters": DOCUMENT["parameters"] | {"n": {"type": "integer", "maximum": 4, "default": 5}}},
            {"parameters": DOCUMENT["parameters"] | {"n": {"type": "integer", "default": "1"}}},
            {"parameters": DOCUMENT["parameters"] | {"n": {"type": "whole"}}},
            {"parameters": DOCUMENT["parameters"] | {"n": {"type": "integer", "minimum": "one"}}},
            {"parameters": DOCUMENT["parameters"] | {"n": {"type": "string", "pattern": "("}}},
        ],
    )
    def test_parameters_that_do_not_fit_together_are_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(BrokenTemplate, match=r"^parameters"):
            parse_template(DOCUMENT | change)

    @pytest.mark.parametrize("change", [{"credits": 0}, {"credits": -5}, {"seconds_max": 0}, {"expected_seconds": -1}, {"version": 0}])
    def test_a_number_that_would_break_a_job_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(BrokenTemplate):
            parse_template(DOCUMENT | change)


class TestParameters:
    def test_defaults_are_filled_in(self) -> None:
        assert checked(prompt="a") == {"prompt": "a", "n": 1, "size": "s"}
        assert checked(prompt="a", n=4, size="l", fast=False, strength=0) == {"prompt": "a", "n": 4, "size": "l", "fast": False, "strength": 0}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("n", 0), ("n", 5), ("n", 1.5), ("n", True), ("n", "1"), ("n", None), ("n", float("nan")),
            ("n", float("inf")), ("n", []), ("n", {}), ("n", 10**40),
            ("size", "m"), ("size", ""), ("size", 1), ("size", ["s"]), ("strength", 1.01), ("strength", -0.01),
            ("strength", float("nan")), ("strength", float("inf")),
            ("strength", True), ("fast", 1), ("fast", "true"), ("prompt", ""), ("prompt", " \t\n"), ("prompt", 7),
            ("prompt", None), ("prompt", "x" * 21), ("wings", 2),
        ],
    )  # fmt: skip
    def test_a_wrong_one_is_named(self, name: str, value: object) -> None:
        assert fields(**{"prompt": "a", name: value}) == [name]

    @pytest.mark.parametrize(
        ("name", "value"), [("n", 1), ("n", 4), ("n", 2.0), ("strength", 0), ("strength", 1.0), ("prompt", "x" * 20), ("prompt", "灯" * 20)]
    )
    def test_the_edges_are_taken(self, name: str, value: object) -> None:
        assert checked(**{"prompt": "a", name: value})[name] == value

    def test_a_whole_number_reaches_the_provider_as_an_integer(self) -> None:
        assert type(checked(prompt="a", n=2.0)["n"]) is int
        assert type(checked(prompt="a", strength=1.0)["strength"]) is float

    def test_everything_wrong_is_named_at_once_and_each_once(self) -> None:
        assert fields(n=9, size="m", wings=2, horns=1) == ["horns", "n", "prompt", "size", "wings"]

    def test_a_missing_one_is_named_among_names_that_contain_it(self) -> None:
        document = DOCUMENT | {"required": ["prompt", "prompt_2"], "parameters": DOCUMENT["parameters"] | {"prompt_2": {"type": "string"}}}

        with pytest.raises(InvalidRequest) as refused:
            checked_parameters(parse_template(document), {"prompt": "a"}, prompt_characters_max=20)
        assert [error.field for error in refused.value.errors] == ["parameters.prompt_2"]

    @given(
        st.dictionaries(
            st.text(max_size=6), st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.lists(st.integers(), max_size=2))
        )
    )
    def test_whatever_is_given_is_taken_or_refused(self, given_parameters: dict[str, Any]) -> None:
        try:
            taken = checked(**{"prompt": "a"} | given_parameters)
        except InvalidRequest:
            return
        assert taken.keys() <= TEMPLATE.parameters.keys()


def test_a_job_pins_what_it_was_made_from() -> None:
    job = image_job(num_outputs=3, now=NOON)

    assert (job.template.code, job.template.version, job.template.name, job.template.category) == ("flux-schnell", 1, "FLUX schnell", "image")
    assert (job.work.model, job.work.outputs_count, job.work.input) == ("black-forest-labs/flux-schnell", 3, job.parameters)
    assert (job.quoted, job.deadline_at, job.wait_seconds) == (30, NOON + timedelta(seconds=300), 15)
