"""The list of templates, and its caching."""

from __future__ import annotations

import re

import pytest

from darkroom import catalog
from tests.builders import (
    call_api,
)
from tests.integration.api.calls import (
    assert_is_problem,
    error_fields,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestTemplates:
    def test_lists_each_template_with_the_schema_of_its_parameters(self) -> None:
        status, document, _ = call_api("GET", "/templates")

        assert status == 200
        assert [template["code"] for template in document["templates"]] == list(catalog.codes())
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
