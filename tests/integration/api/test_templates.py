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
    fields,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestTemplates:
    def test_are_listed_with_the_schema_of_their_parameters(self) -> None:
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
    def test_what_seldom_changes_is_not_sent_again(self, path: str, cache_control: str) -> None:
        status, document, headers = call_api("GET", path)
        etag = headers["ETag"]

        assert (status, headers["Cache-Control"]) == (200, cache_control)
        assert re.fullmatch('"[0-9a-f]{32}"', etag)
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            assert call_api("GET", path, headers={"if-none-match": known}) == (
                304,
                None,
                {"ETag": etag, "Cache-Control": cache_control},
            )
        for other in ('"other"', etag.strip('"'), ""):
            assert call_api("GET", path, headers={"if-none-match": other})[:2] == (200, document)

    @pytest.mark.parametrize("version", ["0", "+1", "01", "x", ""])
    def test_a_version_that_is_none_is_named(self, version: str) -> None:
        status, problem, _ = call_api("GET", "/templates/flux-schnell", query=f"version={version}")

        assert (status, fields(problem)) == (422, ["version"])

    def test_an_unknown_one_is_not_found(self) -> None:
        status, problem, headers = call_api("GET", "/templates/flux-9")

        assert status == 404
        assert_is_problem(status, problem, headers)


class TestCallbackSecret:
    def test_is_ones_own_stays_the_same_and_is_kept_by_nobody_in_between(self) -> None:
        status, first, headers = call_api("GET", "/callbacks/secret")

        assert (status, headers["Cache-Control"]) == (200, "no-store")
        assert first["secret"].startswith("whsec_")
        assert call_api("GET", "/callbacks/secret")[1] == first
        assert call_api("GET", "/callbacks/secret", user="bob")[1] != first
