"""Unknown paths, other methods and malformed job ids."""

from __future__ import annotations

import pytest

from tests.builders import (
    call_api,
)
from tests.integration.api.calls import (
    assert_is_problem,
)

pytestmark = pytest.mark.usefixtures("aws")

UNKNOWN_PATHS = [
    "/",
    "/nothing",
    "/job",
    "/jobs/a/b",
    "/accounts/web",
    "/health/x",
    "/JOBS",
    "/webhooks/replicate",
    "/jobs/",
    "/jobs/x/",
    "/health/",
    "//jobs",
    "/jobs\n",
    "/openapiXjson",
]
UNSUPPORTED_METHODS = [
    ("DELETE", "/jobs", "GET, POST"),
    ("POST", "/credits", "GET"),
    ("PATCH", "/jobs/x", "DELETE, GET"),
    ("GET", "/jobs/x/cancel", "POST"),
    ("DELETE", "/admin/paused", "GET, PUT"),
    ("PUT", "/accounts/web/ann/credits", "POST"),
    ("HEAD", "/jobs", "GET, POST"),
    ("HEAD", "/health", "GET"),
]


class TestRoutes:
    def test_an_unknown_path_is_not_found(self, subtests: pytest.Subtests) -> None:
        for path in UNKNOWN_PATHS:
            for user in ("ann", None):
                with subtests.test(path=path, user=user):
                    status, problem, headers = call_api("GET", path, user=user)

                    assert status == 404
                    assert_is_problem(status, problem, headers)

    def test_an_unsupported_method_returns_the_allowed_methods(
        self, subtests: pytest.Subtests
    ) -> None:
        for method, path, allowed in UNSUPPORTED_METHODS:
            with subtests.test(method=method, path=path):
                status, problem, headers = call_api(method, path)

                assert status == 405
                assert_is_problem(status, problem, headers)
                assert headers["Allow"] == allowed

    def test_health_requires_no_token(self) -> None:
        assert call_api("GET", "/health", user=None)[:2] == (200, {"status": "ok"})

    def test_a_malformed_job_id_is_not_found(self, subtests: pytest.Subtests) -> None:
        for job_id in ("x", "%23", "ACCOUNT", "../credits", "0" * 36, "x" * 3_000):
            with subtests.test(job_id=job_id[:12]):
                assert call_api("GET", f"/jobs/{job_id}")[0] == 404

    def test_no_cache_stores_a_response_and_no_browser_guesses_its_type(
        self, subtests: pytest.Subtests
    ) -> None:
        for method, path, user in (
            ("GET", "/jobs", "ann"),
            ("GET", "/credits", "ann"),
            ("GET", "/callbacks/secret", "ann"),
            ("POST", "/jobs", "ann"),
            ("GET", "/jobs", None),
            ("GET", "/nothing", None),
        ):
            with subtests.test(method=method, path=path, user=user):
                headers = call_api(method, path, user=user)[2]

                assert headers["Cache-Control"] == "no-store"
                assert headers["X-Content-Type-Options"] == "nosniff"

    def test_a_public_document_keeps_its_own_cache_control(self) -> None:
        headers = call_api("GET", "/openapi.json", user=None)[2]

        assert headers["Cache-Control"].startswith("public")
        assert headers["X-Content-Type-Options"] == "nosniff"
