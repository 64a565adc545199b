"""HTTP details for browsers and other clients: CORS, methods, paths, and Unicode text."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import requests

from local.stack import LocalStack
from tests.e2e.actors import Actor, signed_in

GALLERY = {"Origin": "https://gallery.example"}
PROMPTS = [
    "灯塔在黎明",
    "🏮🧑🏽‍🚀 dawn",
    "منارة عند الفجر",
    "e\u0301 is not \u00e9",
    "a\u202eb",
    "\u05e9\u05dc\u05d5\u05dd — Ünïcödé",
]


def send(stack: LocalStack, method: str, path: str, **options: object) -> requests.Response:
    url = f"{stack.api_url}{path}"
    return requests.request(method, url, timeout=30, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/jobs", "/jobs/1", "/openapi.json", "/nowhere"])
def test_cors_preflight_allows_the_headers_that_the_api_reads(
    stack: LocalStack, method: str, path: str
) -> None:
    preflight = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,idempotency-key",
    }

    response = send(stack, "OPTIONS", path, headers=GALLERY | preflight)

    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert method in response.headers["Access-Control-Allow-Methods"].split(",")
    assert set(response.headers["Access-Control-Allow-Headers"].split(",")) >= {
        "authorization",
        "content-type",
        "idempotency-key",
        "if-none-match",
        "traceparent",
        "tracestate",
        "baggage",
        "sentry-trace",
    }


def test_cors_exposes_the_headers_that_clients_need(stack: LocalStack, actor: Actor) -> None:
    headers = GALLERY | {"Authorization": f"Bearer {stack.token(actor.name)}"}
    responses = [
        send(stack, "GET", path, headers=headers)
        for path in ("/credits", "/jobs/1", "/nowhere", "/health")
    ]
    responses.append(send(stack, "GET", "/credits", headers=GALLERY))

    assert [response.status_code for response in responses] == [200, 404, 404, 200, 401]
    for response in responses:
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert set(response.headers["Access-Control-Expose-Headers"].split(",")) >= {
            "date",
            "etag",
            "idempotency-replayed",
            "location",
            "retry-after",
        }


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_gallery_may_read_files_and_send_uploads(
    stack: LocalStack, actor: Actor, host: str
) -> None:
    page = f"http://{host}:{urlsplit(stack.api_url).port}"
    form = actor.client.post("/uploads", {"content_type": "image/png", "bytes": 100})

    responses = [
        requests.options(
            form["url"],
            headers={"Origin": page, "Access-Control-Request-Method": method},
            timeout=10,
        )
        for method in ("GET", "POST")
    ]
    policy = requests.get(f"{page}/config.json", timeout=10).headers["Content-Security-Policy"]

    assert [response.status_code for response in responses] == [200, 200]
    for response in responses:
        assert response.headers["Access-Control-Allow-Origin"] in ("*", page)
    assert f"connect-src 'self' {origin_of(form['url'])};" in policy
    assert origin_of(form["url"]) == stack.aws_url


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def test_paths_match_exactly(actor: Actor) -> None:
    for path in ("/jobs/", "/health/", "/Jobs", "/jobs/1/", "/openapi.json/"):
        assert actor.refused("GET", path).status_code == 404, path
    for path in ("/jobs", "/health", "/openapi.json"):
        refused = actor.refused("HEAD", path)
        assert (refused.status_code, refused.headers["Allow"].split(", ")[0]) == (405, "GET")


def test_an_account_is_found_by_a_sub_with_any_characters(stack: LocalStack) -> None:
    admin = signed_in(stack, "grace", groups=["admin"])
    signed = {"Authorization": f"Bearer {stack.token('grace', groups=['admin'])}"}
    grant = {"amount": 1, "reason": "r", "reference": "r"}

    # API Gateway decodes a path once, so a sub with a slash is encoded twice.
    for written, sub in (
        ("a%23b", "a#b"),
        ("%C3%A9", "é"),
        ("a%20b", "a b"),
        ("G0%252Fa+b==", "G0/a+b=="),
        ("auth0%7C7", "auth0|7"),
    ):
        path = f"/accounts/web/{written}/credits"
        # Nobody has signed in as this user.
        assert send(stack, "POST", path, json=grant, headers=signed).status_code == 404, written
        user = signed_in(stack, sub)
        assert send(stack, "POST", path, json=grant, headers=signed).status_code == 201, written
        assert user.get("/credits")["granted"] == 1, sub
        assert len(admin.get(f"/accounts/web/{written}/entries")["entries"]) == 1, written
    assert admin.get("/accounts/web/a%40b")["granted"] == 0
    assert (
        send(stack, "GET", f"/accounts/web/{'x' * 256}", headers=signed).json()["errors"][0][
            "field"
        ]
        == "user"
    )


def test_unicode_text_is_unchanged_and_is_not_in_the_object(
    stack: LocalStack, actor: Actor
) -> None:
    prompt, order = " · ".join(PROMPTS), {"№": "7", "e\u0301": ["\u00e9"]}

    accepted = actor.client.post(
        "/jobs", {"template": "flux-schnell", "parameters": {"prompt": prompt}, "metadata": order}
    )
    job = actor.ended(accepted["id"])
    metadata = requests.get(job["outputs"][0]["url"], timeout=10).headers

    for document in (accepted, job, actor.client.get("/jobs")["jobs"][0]):
        assert (document["parameters"]["prompt"], document["metadata"]) == (prompt, order)
    assert metadata["x-amz-meta-job-id"] == job["id"]
    assert {name for name in metadata if name.lower().startswith("x-amz-meta-")} == {
        "x-amz-meta-job-id",
        "x-amz-meta-template",
    }
    assert metadata["x-amz-meta-template"] == f"flux-schnell@{job['template']['version']}"
    assert stack.api_url
