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


class TestRoutes:
    @pytest.mark.parametrize(
        "path",
        [
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
        ],
    )
    @pytest.mark.parametrize("user", ["ann", None])
    def test_an_unknown_path_is_not_found(self, path: str, user: str | None) -> None:
        status, problem, headers = call_api("GET", path, user=user)

        assert status == 404
        assert_is_problem(status, problem, headers)

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("DELETE", "/jobs", "GET, POST"),
            ("POST", "/credits", "GET"),
            ("PATCH", "/jobs/x", "DELETE, GET"),
            ("GET", "/jobs/x/cancel", "POST"),
            ("GET", "/admin/paused", "PUT"),
            ("PUT", "/accounts/web/ann/credits", "POST"),
            ("HEAD", "/jobs", "GET, POST"),
            ("HEAD", "/health", "GET"),
        ],
    )
    def test_another_method_gets_the_allowed_ones(
        self, method: str, path: str, allowed: str
    ) -> None:
        status, problem, headers = call_api(method, path)

        assert status == 405
        assert_is_problem(status, problem, headers)
        assert headers["Allow"] == allowed

    def test_health_needs_no_token(self) -> None:
        assert call_api("GET", "/health", user=None)[:2] == (200, {"status": "ok"})

    @pytest.mark.parametrize(
        "job_id",
        ["x", "%23", "ACCOUNT", "../credits", "0" * 36, "x" * 3_000],
        ids=lambda job_id: job_id[:12],
    )
    def test_what_is_no_id_is_no_job(self, job_id: str) -> None:
        assert call_api("GET", f"/jobs/{job_id}")[0] == 404
