"""The list of templates, and its caching."""

from __future__ import annotations

import re

import pytest

from darkroom import catalog
from tests.builders import (
    call_api,
)
from tests.integration.api.calls import (
    ADMIN,
    assert_is_problem,
    error_fields,
)
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")


class TestOffByDefault:
    """nano-banana-2 is off by default."""

    def test_a_template_that_is_off_is_not_offered(self) -> None:
        body = {"template": "nano-banana-2", "parameters": {"prompt": "a"}}

        listed = call_api("GET", "/templates")[1]["templates"]
        status, problem, _ = call_api("POST", "/jobs", body=body)

        assert "nano-banana-2" not in [template["code"] for template in listed]
        assert call_api("GET", "/templates/nano-banana-2")[0] == 404
        assert call_api("GET", "/templates/nano-banana-2", query="version=1")[0] == 404
        assert call_api("POST", "/templates/nano-banana-2/quote", body={"parameters": {}})[0] == 404
        assert (status, error_fields(problem)) == (422, ["template"])
        assert "There is no template nano-banana-2" in problem["errors"][0]["message"]
        assert "nano-banana-2," not in problem["errors"][0]["message"].partition("templates:")[2]

    @pytest.mark.parametrize("enabled", ["nano-banana-2", "no-such, nano-banana-2"])
    def test_a_deployment_can_enable_it(
        self, enabled: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "ENABLED_TEMPLATES", enabled)
        body = {"parameters": {"prompt": "a", "resolution": "2K"}}

        listed = call_api("GET", "/templates")[1]["templates"]
        status, quoted, _ = call_api("POST", "/templates/nano-banana-2/quote", body=body)

        assert [template["code"] for template in listed] == list(catalog.codes())
        assert (status, quoted) == (200, {"credits": 21})


@pytest.mark.parametrize(
    ("code", "version", "successor"),
    [
        ("imagen-4-fast", 1, "flux-2-klein-4b"),
        ("seedance-1-lite", 2, "seedance-2.0-fast"),
    ],
)
def test_a_retired_template_of_the_catalog_names_its_successor(
    code: str, version: int, successor: str
) -> None:
    body = {"parameters": {"prompt": "a"}}
    message = f"The template {code} is retired. Use {successor} instead."

    listed = [template["code"] for template in call_api("GET", "/templates")[1]["templates"]]
    answers = [
        call_api("POST", "/jobs", body=body | {"template": code}),
        call_api("POST", f"/templates/{code}/quote", body=body),
    ]

    assert successor in listed
    assert code not in listed
    for status, problem, _ in answers:
        assert (status, [error["message"] for error in problem["errors"]]) == (422, [message])
    assert call_api("GET", f"/templates/{code}", query=f"version={version}")[0] == 200


class TestChecked:
    def test_administrators_see_the_source_of_the_parameters_and_others_do_not(self) -> None:
        listed = call_api("GET", "/templates", **ADMIN)[1]["templates"]
        past = call_api("GET", "/templates/flux-schnell", query="version=1", **ADMIN)[1]

        for template in listed:
            checked = catalog.template(template["code"]).checked
            assert checked
            assert template["checked"] == {
                "source": checked.source,
                "checked_on": checked.checked_on.isoformat(),
            }
        assert past["checked"] is None
        assert "checked" not in call_api("GET", "/templates/flux-schnell")[1]


class TestTemplates:
    def test_lists_each_template_with_the_schema_of_its_parameters(self) -> None:
        status, document, _ = call_api("GET", "/templates")

        assert status == 200
        codes = [template["code"] for template in document["templates"]]
        assert codes == [code for code in catalog.codes() if code != "nano-banana-2"]
        for template in document["templates"]:
            assert template["parameters"]["additionalProperties"] is False
            assert call_api("GET", f"/templates/{template['code']}")[1] == template

    @pytest.mark.parametrize(
        ("path", "cache_control"),
        [("/templates", "private, max-age=300"), ("/openapi.json", "public, max-age=300")],
    )
    def test_an_unchanged_document_returns_304_for_its_etag(
        self, path: str, cache_control: str
    ) -> None:
        status, document, headers = call_api("GET", path)
        etag = headers["ETag"]

        assert (status, headers["Cache-Control"]) == (200, cache_control)
        assert re.fullmatch('"[0-9a-f]{32}"', etag)
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            assert call_api("GET", path, headers={"if-none-match": known}) == (
                304,
                None,
                {
                    "ETag": etag,
                    "Cache-Control": cache_control,
                    "X-Content-Type-Options": "nosniff",
                },
            )
        for other in ('"other"', etag.strip('"'), ""):
            assert call_api("GET", path, headers={"if-none-match": other})[:2] == (200, document)

    def test_names_an_invalid_version(self, subtests: pytest.Subtests) -> None:
        for version in ("0", "+1", "01", "x", " "):
            with subtests.test(version=version):
                status, problem, _ = call_api(
                    "GET", "/templates/flux-schnell", query=f"version={version}"
                )

                assert (status, error_fields(problem)) == (422, ["version"])

    def test_an_unknown_template_is_not_found(self) -> None:
        status, problem, headers = call_api("GET", "/templates/flux-9")

        assert status == 404
        assert_is_problem(status, problem, headers)
