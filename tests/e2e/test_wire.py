"""The wire as browsers and other clients meet it: CORS, methods, paths, and text in any script."""

from __future__ import annotations

from urllib.parse import unquote

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


def ask(stack: LocalStack, method: str, path: str, **options: object) -> requests.Response:
    return requests.request(method, f"{stack.api_url}{path}", timeout=30, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/jobs", "/jobs/1", "/openapi.json", "/nowhere"])
def test_a_browser_is_let_ask_with_the_headers_that_the_api_reads(
    stack: LocalStack, method: str, path: str
) -> None:
    asking = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,idempotency-key",
    }

    answer = ask(stack, "OPTIONS", path, headers=GALLERY | asking)

    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert method in answer.headers["Access-Control-Allow-Methods"].split(",")
    assert set(answer.headers["Access-Control-Allow-Headers"].split(",")) >= {
        "authorization",
        "content-type",
        "idempotency-key",
        "if-none-match",
    }


def test_a_browser_may_read_the_headers_that_a_client_needs(
    stack: LocalStack, actor: Actor
) -> None:
    headers = GALLERY | {"Authorization": f"Bearer {stack.token(actor.name)}"}
    answers = [
        ask(stack, "GET", path, headers=headers)
        for path in ("/credits", "/jobs/1", "/nowhere", "/health")
    ]
    answers.append(ask(stack, "GET", "/credits", headers=GALLERY))

    assert [answer.status_code for answer in answers] == [200, 404, 404, 200, 401]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert set(answer.headers["Access-Control-Expose-Headers"].split(",")) >= {
            "etag",
            "idempotency-replayed",
            "location",
            "retry-after",
        }


def test_paths_are_taken_as_they_are_written(actor: Actor) -> None:
    for path in ("/jobs/", "/health/", "/Jobs", "/jobs/1/", "/openapi.json/"):
        assert actor.refused("GET", path).status_code == 404, path
    for path in ("/jobs", "/health", "/openapi.json"):
        refused = actor.refused("HEAD", path)
        assert (refused.status_code, refused.headers["Allow"].split(", ")[0]) == (405, "GET")


def test_an_account_is_found_by_its_sub_whatever_characters_it_has(stack: LocalStack) -> None:
    admin = signed_in(stack, "grace", groups=["admin"])
    signed = {"Authorization": f"Bearer {stack.token('grace', groups=['admin'])}"}
    grant = {"amount": 1, "reason": "r", "reference": "r"}

    # The gateway decodes a path once, so a sub with a slash is encoded twice.
    for written, sub in (
        ("a%23b", "a#b"),
        ("%C3%A9", "é"),
        ("a%20b", "a b"),
        ("G0%252Fa+b==", "G0/a+b=="),
        ("auth0%7C7", "auth0|7"),
    ):
        assert (
            ask(
                stack, "POST", f"/accounts/web/{written}/credits", json=grant, headers=signed
            ).status_code
            == 201
        ), written
        assert signed_in(stack, sub).get("/credits")["granted"] == 1, sub
        assert len(admin.get(f"/accounts/web/{written}/entries")["entries"]) == 1, written
    assert admin.get("/accounts/web/a%40b")["granted"] == 0
    assert (
        ask(stack, "GET", f"/accounts/web/{'x' * 256}", headers=signed).json()["errors"][0]["field"]
        == "user"
    )


def test_text_in_any_script_is_the_same_from_the_request_to_the_object(
    stack: LocalStack, actor: Actor
) -> None:
    prompt, order = " · ".join(PROMPTS), {"№": "7", "e\u0301": ["\u00e9"]}

    accepted = actor.client.post(
        "/jobs", {"template": "flux-schnell", "parameters": {"prompt": prompt}, "metadata": order}
    )
    job = actor.ended(accepted["id"])
    metadata = requests.get(job["outputs"][0]["url"], timeout=10).headers

    for answer in (accepted, job, actor.client.get("/jobs")["jobs"][0]):
        assert (answer["parameters"]["prompt"], answer["metadata"]) == (prompt, order)
    assert unquote(metadata["x-amz-meta-prompt"], errors="strict") == prompt
    assert metadata["x-amz-meta-job-id"] == job["id"]
    assert metadata["x-amz-meta-template"] == f"flux-schnell@{job['template']['version']}"
    assert stack.api_url
