"""A custom domain with a base path, and the request headers that browsers may send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from local.stack import LocalStack
from tests.builders import until

BUILD_DIRECTORY = Path(".aws-sam/local")
BASE_PATH = "/images/v1"
JOB = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse at dawn"}}
PREFLIGHT = {"Origin": "https://gallery.example", "Access-Control-Request-Method": "POST"}


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack at a base path, with other allowed headers than the default."""
    logs = tmp_path_factory.mktemp("logs")
    with LocalStack(
        BUILD_DIRECTORY,
        base_path=BASE_PATH,
        parameters={"AllowedHeaders": "authorization,content-type,x-trace"},
        log_dir=logs,
    ) as running:
        yield running


def call(stack: LocalStack, method: str, path: str, **options: object) -> requests.Response:
    groups = ["admin"] if path.startswith(f"{BASE_PATH}/accounts/") else []
    headers = {"Authorization": f"Bearer {stack.token('ann', groups=groups)}"}
    return requests.request(
        method,
        f"{stack.api_url}{path}",
        timeout=30,
        **{"headers": headers, **options},  # type: ignore[arg-type]
    )


def test_a_job_ends_by_the_webhook_at_the_base_path(mapped: LocalStack) -> None:
    grant = {"amount": 100, "reason": "test", "reference": "arrival"}
    call(mapped, "POST", f"{BASE_PATH}/accounts/web/ann/credits", json=grant).raise_for_status()

    submitted = call(mapped, "POST", f"{BASE_PATH}/jobs", json=JOB)
    location = submitted.headers["Location"]

    assert (submitted.status_code, location) == (202, f"{BASE_PATH}/jobs/{submitted.json()['id']}")
    job = until(lambda: _ended(call(mapped, "GET", location).json()), seconds=30)
    assert job["status"] == "completed"
    [prediction] = requests.get(
        f"{mapped.replicate_url}/v1/predictions",
        headers={"Authorization": "Bearer r8_local_token_of_the_simulated_replicate"},
        timeout=5,
    ).json()["results"]
    assert prediction["webhook"].startswith(f"{mapped.api_url}{BASE_PATH}/webhooks/replicate?")
    webhooks = call(mapped, "POST", f"{BASE_PATH}/webhooks/replicate", json=prediction, headers={})
    assert webhooks.status_code == 401
    assert webhooks.json()["type"] == f"{BASE_PATH}/problems/webhook-rejected"


def test_links_and_pages_lead_to_the_base_path(mapped: LocalStack) -> None:
    problem = call(mapped, "GET", f"{BASE_PATH}/jobs/1")
    document = call(mapped, "GET", f"{BASE_PATH}/openapi.json").json()
    docs = call(mapped, "GET", f"{BASE_PATH}/docs")

    page = urljoin(problem.url, problem.json()["type"])
    assert requests.get(page, timeout=5).status_code == 200
    assert document["servers"] == [{"url": BASE_PATH}]
    assert "/jobs/{job_id}" in document["paths"]
    assert 'spec-url="openapi.json"' in docs.text
    script = requests.get(urljoin(docs.url, "docs/rapidoc-min.js"), timeout=5)
    assert (docs.status_code, script.status_code) == (200, 200)


def test_a_preflight_allows_the_headers_of_the_parameter(mapped: LocalStack) -> None:
    response = call(mapped, "OPTIONS", f"{BASE_PATH}/jobs", headers=PREFLIGHT)

    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Headers"] == "authorization,content-type,x-trace"


def _ended(job: dict[str, str]) -> dict[str, str] | None:
    return job if job["status"] in ("completed", "failed", "canceled") else None
