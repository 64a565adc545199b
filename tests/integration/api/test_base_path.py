"""Requests to a custom domain with a base path, with and without the base path in `rawPath`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from darkroom.api.events import route_path
from tests.aws import CONTEXT, handler_of
from tests.builders import http_event, open_account
from tests.integration.api.calls import BODY
from tests.integration.sample_events.samples import sample
from tests.integration.steps import with_setting

DOMAIN = "api.example.com"
OWN_DOMAIN = "id.execute-api.us-east-1.amazonaws.com"
ROUTE_PATHS = [
    # path, route key, base path, expected path
    ("/jobs", "GET /jobs", "/v1", "/jobs"),
    ("/v1/jobs", "GET /jobs", "/v1", "/jobs"),
    ("/v1/jobs/1", "GET /jobs/{job_id}", "/v1", "/jobs/1"),
    ("/a/b/jobs/1/cancel", "POST /jobs/{job_id}/cancel", "/a/b", "/jobs/1/cancel"),
    ("/v1/webhooks/replicate", "ANY /webhooks/replicate", "/v1", "/webhooks/replicate"),
    # A base path that is also a route.
    ("/jobs", "GET /jobs", "/jobs", "/jobs"),
    ("/jobs/jobs", "GET /jobs", "/jobs", "/jobs"),
    ("/jobs/1", "GET /jobs/{job_id}", "/jobs", "/jobs/1"),
    ("/jobs/jobs/1", "GET /jobs/{job_id}", "/jobs", "/jobs/1"),
    ("/jobs/jobs", "GET /jobs/{job_id}", "/jobs", "/jobs/jobs"),
    # Unknown paths, and paths that only begin like the base path.
    ("/v1/nothing", "$default", "/v1", "/nothing"),
    ("/nothing", "$default", "/v1", "/nothing"),
    ("/v10/jobs", "$default", "/v1", "/v10/jobs"),
    ("/v1", "$default", "/v1", "/v1"),
    ("/v1/jobs", "$default", "", "/v1/jobs"),
    ("/a.b/jobs", "GET /jobs", "/a.b", "/jobs"),
    ("/acb/jobs", "$default", "/a.b", "/acb/jobs"),
]


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch, aws: None) -> None:
    with_setting(monkeypatch, "API_URL", f"https://{DOMAIN}/images/v1")


def send(event: dict[str, Any], *, domain: str, base_path: str) -> tuple[int, Any, dict[str, str]]:
    """Send an event of a domain whose `rawPath` has this base path."""
    context = event["requestContext"] | {"domainName": domain, "apiId": "id"}
    path = base_path + event["rawPath"]
    context["http"] = context["http"] | {"path": path}
    event = event | {"rawPath": path, "requestContext": context}
    response = handler_of("api")(event, CONTEXT)
    body = response.get("body") or "null"
    is_json = "json" in response["headers"]["Content-Type"]
    return response["statusCode"], json.loads(body) if is_json else body, response["headers"]


@pytest.mark.parametrize(("path", "route_key", "base_path", "expected"), ROUTE_PATHS)
def test_the_route_decides_whether_a_path_has_the_base_path(
    path: str, route_key: str, base_path: str, expected: str
) -> None:
    assert route_path(path, route_key, base_path) == expected


@pytest.mark.usefixtures("mapped")
@pytest.mark.parametrize("base_path", ["", "/images/v1"])
class TestCustomDomain:
    def test_location_begins_with_the_base_path(self, base_path: str) -> None:
        open_account(100)

        event = http_event("POST", "/jobs", body=BODY)
        status, job, headers = send(event, domain=DOMAIN, base_path=base_path)

        assert (status, headers["Location"]) == (202, f"/images/v1/jobs/{job['id']}")

    def test_a_sample_event_of_aws_reaches_its_route(self, base_path: str) -> None:
        status, page, _ = send(sample("api/list_templates"), domain=DOMAIN, base_path=base_path)

        assert (status, "templates" in page) == (200, True)

    def test_the_type_of_a_problem_begins_with_the_base_path(self, base_path: str) -> None:
        problems = [
            send(http_event(method, path), domain=DOMAIN, base_path=base_path)
            for method, path in (("GET", "/jobs/1"), ("PUT", "/jobs"), ("POST", "/jobs"))
        ]

        assert [(status, problem["type"]) for status, problem, _ in problems] == [
            (404, "/images/v1/problems/not-found"),
            (405, "/images/v1/problems/method-not-allowed"),
            (422, "/images/v1/problems/invalid-request"),
        ]

    def test_the_pages_of_problems_and_the_document_have_the_base_path(
        self, base_path: str
    ) -> None:
        _, page, _ = send(
            http_event("GET", "/problems/not-found"), domain=DOMAIN, base_path=base_path
        )
        _, document, _ = send(
            http_event("GET", "/openapi.json"), domain=DOMAIN, base_path=base_path
        )

        assert "<code>/images/v1/problems/not-found</code>" in page
        assert document["servers"] == [{"url": "/images/v1"}]
        assert '"/problems/not-found"' not in json.dumps(document)
        assert '"/images/v1/problems/not-found"' in json.dumps(document)
        assert {"/problems/{slug}", "/jobs"} <= document["paths"].keys()


@pytest.mark.usefixtures("mapped")
class TestOwnDomain:
    def test_links_of_the_own_domain_have_no_base_path(self) -> None:
        open_account(100)

        event = http_event("POST", "/jobs", body=BODY)
        _, job, headers = send(event, domain=OWN_DOMAIN, base_path="")
        _, problem, _ = send(http_event("GET", "/jobs/1"), domain=OWN_DOMAIN, base_path="")
        _, document, _ = send(http_event("GET", "/openapi.json"), domain=OWN_DOMAIN, base_path="")

        assert headers["Location"] == f"/jobs/{job['id']}"
        assert problem["type"] == "/problems/not-found"
        assert document["servers"] == [{"url": "/"}]


@pytest.mark.parametrize("url", ["", "none", f"https://{DOMAIN}"])
def test_without_a_base_path_links_begin_with_a_slash(
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    aws: None,
) -> None:
    with_setting(monkeypatch, "API_URL", url)

    _, problem, _ = send(http_event("GET", "/jobs/1"), domain=DOMAIN, base_path="")
    unknown = send(http_event("GET", "/none/jobs"), domain=DOMAIN, base_path="")

    assert problem["type"] == "/problems/not-found"
    assert unknown[0] == 404
