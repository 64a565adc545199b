"""Each provider describes the model of a template: whether it is there, and what it accepts."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom import catalog
from darkroom.domain.provider_errors import (
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
)
from darkroom.domain.templates import Template
from darkroom.providers import DescribesModels, load_provider, replicate, runway
from darkroom.providers.replicate.descriptions import description_of_version
from darkroom.services.check_catalog import check_template
from tests.aws import client
from tests.integration.catalog_check.conftest import Change
from tests.integration.replicate_responses import replicate_api
from tests.integration.runway_provider.scripted import KEY, Runway
from tests.integration.servers import server
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")

VEO = catalog.template("veo-3.1")
SDXL = catalog.template("sdxl")
TIER = {"models": {"gen4.5": {"maxConcurrentGenerations": 2, "maxDailyGenerations": 50}}}


@pytest.mark.parametrize("provider", ["replicate", "runway", "stable_diffusion"])
def test_each_provider_describes_its_models(provider: str) -> None:
    assert isinstance(load_provider(provider), DescribesModels)


class TestReplicate:
    @pytest.mark.usefixtures("simulated_replicate")
    def test_an_official_model_is_described_by_its_latest_version(self) -> None:
        description = replicate.describe(VEO)

        assert (description.gone, description.required) == (None, ("prompt",))
        assert description.is_complete
        assert description.inputs["duration"] == {
            "type": "integer", "enum": [4, 6, 8], "default": 8,
        }  # fmt: skip
        assert description.inputs["seed"] == {"type": "integer"}
        assert check_template(VEO).differences == ()

    @pytest.mark.parametrize(
        ("template", "members", "words"),
        [
            (VEO, {"retired": True}, "Replicate has no such model any more (status 404)."),
            (VEO, {"renamed_to": "google/veo-4"}, "The model has another name now (status 308)."),
            (VEO, {"official": False}, "The model is not official any more"),
            (SDXL, {"retired": True}, "Replicate has no such version any more (status 404)."),
            (SDXL, {"version_removed": True}, "Replicate has no such version any more"),
        ],
    )
    def test_a_model_that_cannot_run_is_gone(
        self, change: Change, template: Template, members: dict[str, Any], words: str
    ) -> None:
        change(template.model.partition(":")[0], **members)

        gone = replicate.describe(template).gone

        assert gone is not None
        assert gone.startswith(words)
        assert not replicate.is_offered(template.model)
        assert check_template(template).differences == (gone,)

    def test_a_new_version_does_not_change_a_template_with_a_pinned_version(
        self, change: Change
    ) -> None:
        change("stability-ai/sdxl", inputs={"scheduler": None}, required=["image"])

        assert check_template(SDXL).differences == ()
        assert replicate.is_offered(SDXL.model)

    def test_a_new_version_of_an_official_model_is_compared(self, change: Change) -> None:
        change(
            "google/veo-3.1",
            required=["prompt", "style"],
            inputs={
                "style": {"type": "string"},
                "resolution": {"type": "string", "enum": ["720p"], "default": "720p"},
                "last_frame": None,
            },
        )

        assert set(check_template(VEO).differences) == {
            "resolution: the model does not accept 1080p. It accepts 720p.",
            "last_frame: the model has no such input.",
            "style: the model requires this input, the template does not.",
        }

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (401, ProviderAccountRefused),
            (402, ProviderAccountRefused),
            (429, ProviderBusy),
            (400, ProviderUnavailable),
            (500, ProviderUnavailable),
            (503, ProviderUnavailable),
        ],
    )
    def test_an_error_says_nothing_about_the_model(
        self, monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception]
    ) -> None:
        with replicate_api(monkeypatch) as api:
            api.responds(status, {"detail": "an error"})

            with pytest.raises(error):
                replicate.describe(VEO)

            checked = check_template(VEO)
            assert checked.error is not None
            assert checked.differences == ()

    @pytest.mark.parametrize("document", [[], "a text", None])
    def test_an_answer_that_is_no_object_says_nothing(
        self, monkeypatch: pytest.MonkeyPatch, document: object
    ) -> None:
        with replicate_api(monkeypatch) as api:
            api.responds(200, document)

            with pytest.raises(ProviderUnavailable):
                replicate.describe(VEO)

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"is_official": True, "latest_version": None},
            {"latest_version": {"id": "v", "openapi_schema": {"components": []}}},
            {"latest_version": {"openapi_schema": {"components": {"schemas": {"Input": 1}}}}},
        ],
    )
    def test_a_model_without_a_schema_is_there_and_is_not_compared(
        self, monkeypatch: pytest.MonkeyPatch, document: object
    ) -> None:
        with replicate_api(monkeypatch) as api:
            api.responds(200, document)

            description = replicate.describe(VEO)

        assert (description.gone, dict(description.inputs)) == (None, {})
        assert description.facts["inputs"] == "not published"

    def test_an_input_that_may_be_null_has_the_schema_of_its_value(self) -> None:
        properties = {
            "a": {"anyOf": [{"type": "string", "format": "uri"}, {"type": "null"}], "title": "A"},
            "b": {"anyOf": [{"$ref": "#/components/schemas/b"}, {"type": "null"}], "default": None},
            "c": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "d": {"$ref": "#/components/schemas/b", "default": "x"},
        }
        schemas = {"Input": {"properties": properties}, "b": {"type": "string", "enum": ["x"]}}

        found = description_of_version({"openapi_schema": {"components": {"schemas": schemas}}})

        enum = {"type": "string", "enum": ["x"]}
        assert found.inputs == {
            "a": {"type": "string"}, "b": enum, "c": {}, "d": {**enum, "default": "x"},
        }  # fmt: skip


@pytest.mark.parametrize(
    ("document", "gone", "facts"),
    [
        ({"tier": TIER}, None, {"maxConcurrentGenerations": "2", "maxDailyGenerations": "50"}),
        (
            {"tier": {"models": {"gen4_turbo": {}}}},
            "The tier of Runway's organization does not have the model.",
            {"models": "gen4_turbo"},
        ),
        ({"tier": {"models": {}}}, None, {"models": "not published"}),
        ({}, None, {"models": "not published"}),
    ],
)
def test_a_model_of_runway_is_there_if_the_tier_of_the_organization_has_it(
    monkeypatch: pytest.MonkeyPatch,
    document: dict[str, Any],
    gone: str | None,
    facts: dict[str, str],
) -> None:
    client("secretsmanager").create_secret(Name="runway-key", SecretString=KEY)
    api = Runway()
    api.responds(200, document)
    with server(api.answer) as url:
        monkeypatch.setenv("RUNWAY_KEY_SECRET", "runway-key")
        with_setting(monkeypatch, "RUNWAY_BASE_URL", url)

        description = runway.describe(catalog.template("runway-gen4.5"))

        assert runway.is_offered("text_to_video/gen4.5") == (gone is None)
    assert (description.gone, description.facts) == (gone, facts)
