"""Image jobs over HTTP: results, access, credits, faults of the provider, and callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Thread
from uuid import uuid4

import requests
from PIL import Image
from standardwebhooks.webhooks import Webhook

from local.stack import LocalStack
from tests.builders import until
from tests.contract import description
from tests.e2e.actors import Actor, predictions_of, set_faults, signed_in


def image_at(url: str) -> Image.Image:
    response = requests.get(url, timeout=10)
    assert response.status_code == 200
    image = Image.open(BytesIO(response.content))
    image.load()
    return image


def test_a_prompt_becomes_a_stored_image_with_a_thumbnail(actor: Actor) -> None:
    job = actor.ended(actor.submit("flux-1.1-pro", aspect_ratio="16:9", output_format="jpg"))

    assert job["status"] == "completed"
    assert job["credits"] == {"quoted": 15, "held": 0, "charged": 15, "refunded": 0}
    (output,) = job["outputs"]
    assert output["content_type"] == "image/jpeg"
    assert image_at(output["url"]).size == (output["width"], output["height"])
    assert image_at(output["thumbnail_url"]).size == (200, 200)
    assert output["placeholder"].startswith("data:image/webp;base64,")
    assert [preview["width"] for preview in output["previews"]] == [512, 1024]
    for preview in output["previews"]:
        assert image_at(preview["url"]).size == (preview["width"], preview["height"])
        assert requests.get(preview["url"], timeout=10).headers["Content-Type"] == "image/webp"
    assert output["provenance"] == {"c2pa": False}
    account = actor.must_have_a_balanced_ledger()
    assert (account["available"], account["held"], account["spent"], account["in_flight"]) == (
        185,
        0,
        15,
        0,
    )


def test_four_images_become_four_outputs_in_the_order_of_the_provider(
    actor: Actor, stack: LocalStack
) -> None:
    prompt = f"four seasons {uuid4().hex}"

    job = actor.ended(actor.submit(prompt=prompt, num_outputs=4, output_format="png"))

    assert job["credits"]["charged"] == 40
    (prediction,) = predictions_of(stack, prompt)
    for output, provider_url in zip(job["outputs"], prediction["output"], strict=True):
        assert (
            requests.get(output["url"], timeout=10).content
            == requests.get(provider_url, timeout=10).content
        )


def test_a_refused_prompt_costs_nothing_and_the_job_has_the_reason(actor: Actor) -> None:
    job = actor.ended(actor.submit(prompt="please flag me"))

    assert job["status"] == "failed"
    assert job["error"]["code"] == "refused"
    assert not job["error"]["retryable"]
    assert job["credits"] == {"quoted": 10, "held": 0, "charged": 0, "refunded": 10}
    assert actor.must_have_a_balanced_ledger()["available"] == 200


def test_a_unicode_prompt_reaches_the_provider_unchanged(actor: Actor, stack: LocalStack) -> None:
    prompt = f"灯台 🌅 منارة {uuid4().hex}"

    job = actor.ended(actor.submit(prompt=prompt))

    assert job["parameters"]["prompt"] == prompt
    assert len(predictions_of(stack, prompt)) == 1


def test_an_image_cannot_be_read_without_a_signed_link(actor: Actor) -> None:
    job = actor.ended(actor.submit())

    unsigned = job["outputs"][0]["url"].partition("?")[0]

    assert requests.get(unsigned, timeout=10).status_code == 403


def test_an_account_cannot_read_the_jobs_of_another_account(
    actor: Actor, stack: LocalStack
) -> None:
    job_id = actor.submit()
    stranger = Actor.arrive(stack, "stranger", credits=0)
    same_user_elsewhere = signed_in(stack, actor.name, platform="mobile")

    assert stranger.refused("GET", f"/jobs/{job_id}").status_code == 404
    assert stranger.client.get("/jobs") == {"jobs": [], "next_cursor": None, "total": 0}
    assert same_user_elsewhere.get("/credits")["granted"] == 0


def test_a_request_without_a_valid_token_is_refused(actor: Actor, stack: LocalStack) -> None:
    expired = stack.token(actor.name, expires_in_seconds=-60)
    header, payload, signature = stack.token(actor.name).split(".")
    forged = f"{header}.{payload}.{signature[::-1]}"
    for headers in (
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer {expired}"},
        {"Authorization": f"Bearer {forged}"},
    ):
        assert requests.get(f"{stack.api_url}/jobs", headers=headers, timeout=10).status_code == 401

    access_token = stack.token(actor.name, token_use="access")
    assert (
        requests.get(
            f"{stack.api_url}/jobs", headers={"Authorization": f"Bearer {access_token}"}, timeout=10
        ).status_code
        == 401
    )


def test_without_enough_credits_a_job_is_refused_and_nothing_is_written(stack: LocalStack) -> None:
    poor = Actor.arrive(stack, "poor", credits=14)

    refused = poor.refused(
        "POST", "/jobs", json={"template": "flux-1.1-pro", "parameters": {"prompt": "a palace"}}
    )

    assert refused.status_code == 402
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert {name: refused.json()[name] for name in ("required", "available", "missing")} == {
        "required": 15,
        "available": 14,
        "missing": 1,
    }
    assert poor.client.get("/jobs")["total"] == 0
    assert poor.must_have_a_balanced_ledger()["available"] == 14


def test_each_invalid_parameter_is_named_and_nothing_is_charged(
    actor: Actor, stack: LocalStack
) -> None:
    prompt = f"never {uuid4().hex}"
    body = {
        "template": "flux-schnell",
        "parameters": {"prompt": prompt, "num_outputs": 9, "colour": "red"},
    }

    refused = actor.refused("POST", "/jobs", json=body)

    assert refused.status_code == 422
    assert {error["field"] for error in refused.json()["errors"]} == {
        "parameters.num_outputs",
        "parameters.colour",
    }
    assert predictions_of(stack, prompt) == []
    assert actor.must_have_a_balanced_ledger()["available"] == 200


def test_two_requests_with_the_same_idempotency_key_create_one_job(
    actor: Actor, stack: LocalStack
) -> None:
    prompt = f"once {uuid4().hex}"
    body = {"template": "flux-schnell", "parameters": {"prompt": prompt}}
    headers = {"Authorization": f"Bearer {stack.token(actor.name)}", "Idempotency-Key": "once"}

    first, second = (
        requests.post(f"{stack.api_url}/jobs", json=body, headers=headers, timeout=30)
        for _ in range(2)
    )
    actor.ended(first.json()["id"])

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(predictions_of(stack, prompt)) == 1


def test_a_job_completes_when_every_webhook_is_lost(actor: Actor, stack: LocalStack) -> None:
    set_faults(stack, lose_webhook=1.0)
    prompt = f"lost {uuid4().hex}"

    job = actor.ended(actor.submit(prompt=prompt))

    assert job["status"] == "completed"
    assert len(predictions_of(stack, prompt)) == 1


def test_a_job_is_charged_once_when_every_webhook_arrives_twice(
    actor: Actor, stack: LocalStack
) -> None:
    set_faults(stack, duplicate_webhook=1.0)

    job = actor.ended(actor.submit())

    assert job["credits"]["charged"] == 10
    assert actor.must_have_a_balanced_ledger()["spent"] == 10


def test_a_failed_prediction_costs_nothing(actor: Actor, stack: LocalStack) -> None:
    set_faults(stack, fail=1.0)

    job = actor.ended(actor.submit())

    assert (job["status"], job["error"]["code"], job["error"]["retryable"]) == (
        "failed",
        "prediction_failed",
        True,
    )
    assert actor.must_have_a_balanced_ledger()["available"] == 200


def test_a_prediction_without_outputs_costs_nothing(actor: Actor, stack: LocalStack) -> None:
    set_faults(stack, no_output=1.0)

    job = actor.ended(actor.submit())

    assert (job["status"], job["error"]["code"]) == ("failed", "no_output")
    assert actor.must_have_a_balanced_ledger()["available"] == 200


def test_after_a_lost_create_response_no_second_prediction_is_requested(
    actor: Actor, stack: LocalStack
) -> None:
    set_faults(stack, lost_create_answer=1.0)
    prompt = f"unheard {uuid4().hex}"

    job = actor.ended(actor.submit(prompt=prompt))

    assert job["status"] == "completed"
    assert len(predictions_of(stack, prompt)) == 1


def test_a_throttled_request_is_sent_again_later(actor: Actor, stack: LocalStack) -> None:
    set_faults(stack, throttle=1.0)
    job_id = actor.submit()
    waiting = until(lambda: actor.client.get(f"/jobs/{job_id}")["waiting_since"])
    assert waiting

    set_faults(stack)

    job = actor.ended(job_id)
    assert job["status"] == "completed"
    assert job["waiting_since"] is None


def test_the_provider_token_is_never_sent_to_a_delivery_host(
    actor: Actor, stack: LocalStack
) -> None:
    actor.ended(actor.submit())

    deliveries = requests.get(f"{stack.replicate_url}/sim/deliveries", timeout=10).json()[
        "deliveries"
    ]

    assert deliveries
    assert not any(delivery["carried_authorization"] for delivery in deliveries)


def test_a_callback_has_a_valid_signature(actor: Actor) -> None:
    with receiver() as (url, received):
        job_id = actor.submit(callback_url=url)
        until(lambda: received, seconds=60)
        headers, body = received[0]

    secret = actor.client.get("/callbacks/secret")["secret"]
    event = Webhook(secret).verify(body, headers)
    assert event["type"] == "job.completed"
    assert event["data"]["id"] == job_id
    assert image_at(event["data"]["outputs"][0]["url"])


def test_a_webhook_without_a_valid_signature_changes_nothing(
    actor: Actor, stack: LocalStack
) -> None:
    set_faults(stack, run_seconds=5)
    prompt = f"guarded {uuid4().hex}"
    job_id = actor.submit(prompt=prompt)
    (prediction,) = until(lambda: predictions_of(stack, prompt))
    body = f'{{"id": "{prediction["id"]}", "status": "succeeded"}}'
    stale = {"webhook-id": "m", "webhook-timestamp": "1000000000", "webhook-signature": "v1,AAAA"}

    for headers in ({}, stale, {**stale, "webhook-timestamp": "not a number"}):
        assert (
            requests.post(prediction["webhook"], data=body, headers=headers, timeout=10).status_code
            == 401
        )

    assert actor.client.get(f"/jobs/{job_id}")["status"] in ("pending", "processing")
    assert actor.ended(job_id)["status"] == "completed"


def test_unknown_routes_and_methods_get_problem_documents(actor: Actor) -> None:
    assert actor.refused("GET", "/nothing").status_code == 404
    refused = actor.refused("DELETE", "/credits")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET")
    refused = actor.refused("GET", "/webhooks/replicate")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


def test_openapi_json_is_public(stack: LocalStack) -> None:
    response = requests.get(f"{stack.api_url}/openapi.json", timeout=30)

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.json() == description()


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Start a server that receives callbacks. Yields its URL and the received requests."""
    received: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/done", received
    finally:
        server.shutdown()
        server.server_close()
