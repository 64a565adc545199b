"""A local stack that uses the real Replicate, whose webhooks cannot reach it.

A second simulator replaces the real Replicate.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local.real_replicate import InvalidVariable, RealReplicate
from local.simulators.replicate import SimulatedReplicate
from local.stack import LocalStack
from tests.e2e.actors import Actor, must_show_nowhere
from tests.e2e.test_uploads_and_videos import announced, image, sent

BUILD_DIRECTORY = Path(".aws-sam/local")
TOKEN = "r8_token_of_the_real_replicate"


@pytest.fixture(scope="module")
def replicate() -> Iterator[SimulatedReplicate]:
    with SimulatedReplicate() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def stack(replicate: SimulatedReplicate) -> Iterator[LocalStack]:
    real = RealReplicate(
        token=TOKEN,
        base_url=f"{replicate.base_url}/v1",
        delivery_hosts=replicate.base_url.removeprefix("http://"),
    )
    with LocalStack(BUILD_DIRECTORY, real_replicate=real) as running:
        yield running


@pytest.fixture
def actor(stack: LocalStack, request: pytest.FixtureRequest) -> Actor:
    """A new user with 200 credits."""
    return Actor.arrive(stack, request.node.name, credits=200)


@pytest.fixture(autouse=True)
def no_faults(replicate: SimulatedReplicate) -> Iterator[None]:
    yield
    requests.put(f"{replicate.base_url}/faults", json={}, timeout=5).raise_for_status()


def predictions(replicate: SimulatedReplicate, prompt: str) -> list[dict[str, Any]]:
    response = requests.get(f"{replicate.base_url}/sim/predictions", timeout=5)
    return [
        prediction
        for prediction in response.json()["predictions"]
        if prediction["input"].get("prompt") == prompt
    ]


def test_job_completes_without_webhooks(actor: Actor, replicate: SimulatedReplicate) -> None:
    requests.put(
        f"{replicate.base_url}/faults", json={"run_seconds": 8}, timeout=5
    ).raise_for_status()

    job = actor.ended(actor.submit(prompt="by polling", num_outputs=2))

    assert (job["status"], job["credits"]["charged"], len(job["outputs"])) == ("completed", 20, 2)
    (prediction,) = predictions(replicate, "by polling")
    assert prediction.get("webhook") is None
    assert requests.get(f"{replicate.base_url}/sim/webhooks", timeout=5).json()["webhooks"] == []
    actor.must_have_a_balanced_ledger()


def test_failed_job_is_refunded(actor: Actor, replicate: SimulatedReplicate) -> None:
    job = actor.ended(actor.submit(prompt="flag me, by polling"))

    assert (job["status"], job["error"]["code"], job["credits"]["refunded"]) == (
        "failed",
        "refused",
        10,
    )
    assert len(predictions(replicate, "flag me, by polling")) == 1


def test_request_contains_the_uploaded_image(actor: Actor, replicate: SimulatedReplicate) -> None:
    """Replicate cannot download the image from the local bucket."""
    upload = announced(actor)
    assert sent(upload, image()).status_code == 204
    actor.client.post(f"/uploads/{upload['upload_id']}/complete", {})

    job = actor.ended(actor.submit("flux-dev", prompt="from an image", image=upload["upload_id"]))

    assert job["status"] == "completed"
    (prediction,) = predictions(replicate, "from an image")
    assert prediction["input"]["image"].startswith("data:image/jpeg;base64,")


def test_without_a_public_url_there_is_no_webhook_port(stack: LocalStack) -> None:
    assert stack.webhook_url is None


def test_token_appears_nowhere(actor: Actor, stack: LocalStack) -> None:
    must_show_nowhere(stack, actor.ended(actor.submit(prompt="flag me, secretly")), TOKEN)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {}),
        ({"PUBLIC_URL": "https://a.example"}, {}),
        (
            {"REPLICATE_API_TOKEN": "r8_x"},
            {"PublicUrl": "none", "ReplicateBaseUrl": "https://api.replicate.com/v1"},
        ),
        (
            {"REPLICATE_API_TOKEN": "r8_x", "PUBLIC_URL": "https://a.example/"},
            {"PublicUrl": "https://a.example"},
        ),
    ],
)
def test_token_selects_the_real_replicate(
    environment: dict[str, str], expected: dict[str, str]
) -> None:
    real = RealReplicate.from_environment(environment)

    assert (real is not None) is bool(expected)
    assert real is None or real.parameters.items() >= expected.items()


def test_refuses_a_token_of_another_service() -> None:
    with pytest.raises(InvalidVariable, match="REPLICATE_API_TOKEN"):
        RealReplicate.from_environment({"REPLICATE_API_TOKEN": "sk-something-else"})


def test_refuses_a_public_url_that_is_not_an_https_origin(subtests: pytest.Subtests) -> None:
    for url in (
        "http://a.example",
        "a.example",
        "https://",
        "https://a.example/path",
        "https://ann@a.example",
        "https://[",
    ):
        with subtests.test(url=url), pytest.raises(InvalidVariable, match="PUBLIC_URL"):
            RealReplicate.from_environment({"REPLICATE_API_TOKEN": "r8_x", "PUBLIC_URL": url})


def test_reads_the_webhook_secret_only_with_a_public_url(
    replicate: SimulatedReplicate,
) -> None:
    base_url = f"{replicate.base_url}/v1"
    public = RealReplicate(token=TOKEN, base_url=base_url, public_url="https://a.example")
    private = RealReplicate(token=TOKEN, base_url=base_url)

    assert public.webhook_secret() == replicate.webhook_secret
    assert private.webhook_secret() is None
