"""Jobs at the simulated Runway over HTTP, by polling, without webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local.cloudformation.seeding import LOCAL_RUNWAY_KEY
from local.stack import LocalStack
from tests.builders import until
from tests.e2e.actors import Actor, must_show_nowhere
from tests.e2e.test_uploads_and_videos import announced, image, sent


@pytest.fixture(autouse=True)
def runway(stack: LocalStack) -> Iterator[LocalStack]:
    yield stack
    set_faults(stack)


def set_faults(stack: LocalStack, **faults: float | str) -> None:
    requests.put(f"{stack.runway_url}/faults", json=faults, timeout=5).raise_for_status()


def logs() -> str:
    """Return the logs of all functions."""
    return "".join(path.read_text(errors="replace") for path in Path(".aws-sam/logs").glob("*"))


def tasks_of(stack: LocalStack, prompt: str) -> list[dict[str, Any]]:
    found = requests.get(f"{stack.runway_url}/sim/tasks", timeout=5).json()["tasks"]
    return [task for task in found if task["input"].get("promptText") == prompt]


def test_a_prompt_becomes_a_video(actor: Actor, stack: LocalStack) -> None:
    set_faults(stack, throttled_seconds=1, queue_seconds=1, run_seconds=6)

    job = actor.ended(actor.submit("runway-gen4.5", prompt="the sea at dawn", duration=2))

    assert (job["status"], job["credits"]["charged"]) == ("completed", 30)
    (output,) = job["outputs"]
    assert (output["content_type"], round(output["seconds"])) == ("video/mp4", 2)
    assert requests.get(output["url"], timeout=10).content[4:8] == b"ftyp"
    assert len(tasks_of(stack, "the sea at dawn")) == 1
    actor.must_have_a_balanced_ledger()


def test_an_uploaded_image_becomes_a_video(actor: Actor, stack: LocalStack) -> None:
    upload = announced(actor)
    assert sent(upload, image()).status_code == 204
    actor.client.post(f"/uploads/{upload['upload_id']}/complete", {})

    job = actor.ended(
        actor.submit("runway-gen4-turbo", prompt="it moves", image=upload["upload_id"])
    )

    assert (job["status"], job["credits"]["charged"]) == ("completed", 50)
    (task,) = tasks_of(stack, "it moves")
    assert str(task["input"]["promptImage"]).startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize(
    ("fault", "code", "tasks_count"),
    [
        ("fail", "prediction_failed", 1),
        ("flag", "refused", 1),
        ("cancel", "prediction_failed", 1),
        ("no_output", "no_output", 1),
        ("server_error", "provider_unavailable", 0),
    ],
)
def test_a_failed_video_is_refunded_and_requested_at_most_once(
    actor: Actor, stack: LocalStack, fault: str, code: str, tasks_count: int
) -> None:
    set_faults(stack, **{fault: 1})

    job_id = actor.submit("runway-gen4.5", prompt=f"what fails: {fault}", duration=2)
    if fault == "server_error":
        # The effect of the request stays unknown, so the job waits until it is canceled.
        actor.client.post(f"/jobs/{job_id}/cancel", {})
        code = "canceled"
    job = actor.ended(job_id)

    assert (job["error"]["code"], job["credits"]["refunded"], job["credits"]["charged"]) == (
        code,
        30,
        0,
    )
    assert len(tasks_of(stack, f"what fails: {fault}")) == tasks_count
    actor.must_have_a_balanced_ledger()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no_credits", "You do not have enough credits"),
        ("daily_limit", "Your daily task limit has been reached"),
    ],
)
def test_a_job_waits_while_runway_refuses_the_account(
    actor: Actor, stack: LocalStack, fault: str, words: str
) -> None:
    set_faults(stack, **{fault: 1})

    job_id = actor.submit("runway-gen4.5", prompt=f"waits: {fault}", duration=2)

    until(lambda: words in logs())
    assert actor.client.get(f"/jobs/{job_id}")["status"] in ("pending", "processing")
    assert tasks_of(stack, f"waits: {fault}") == []
    actor.client.post(f"/jobs/{job_id}/cancel", {})


def test_a_retired_model_fails_the_job_without_a_task(actor: Actor, stack: LocalStack) -> None:
    set_faults(stack, retired_model="gen4.5")

    job = actor.ended(actor.submit("runway-gen4.5", prompt="too late", duration=2))

    assert (job["error"]["code"], job["error"]["retryable"]) == ("model_unavailable", False)
    assert job["credits"]["refunded"] == 30
    assert tasks_of(stack, "too late") == []


def test_user_reads_why_an_image_was_refused(actor: Actor, stack: LocalStack) -> None:
    url = "https://nowhere.invalid/a.png"
    job = actor.ended(actor.submit("runway-gen4-turbo", prompt="no image", image=url, duration=2))

    assert (job["error"]["code"], job["credits"]["refunded"]) == ("invalid_input", 20)
    assert job["error"]["message"].startswith("The model did not accept `image`: Failed to fetch")
    assert tasks_of(stack, "no image") == []


def test_after_runway_is_available_again_a_video_is_requested_once(
    actor: Actor, stack: LocalStack
) -> None:
    set_faults(stack, unavailable=1)
    job_id = actor.submit("runway-gen4.5", prompt="at last", duration=2)
    assert actor.client.get(f"/jobs/{job_id}")["status"] in ("pending", "processing")
    set_faults(stack)

    assert actor.ended(job_id)["status"] == "completed"
    assert len(tasks_of(stack, "at last")) == 1


def test_canceling_a_job_cancels_its_task(actor: Actor, stack: LocalStack) -> None:
    set_faults(stack, run_seconds=120)
    job_id = actor.submit("runway-gen4.5", prompt="never mind", duration=2)
    actor.until_processing(job_id)

    actor.client.post(f"/jobs/{job_id}/cancel", {})

    job = actor.ended(job_id)
    assert (job["status"], job["credits"]["refunded"]) == ("canceled", 30)
    # The refund does not wait for the provider, so the task can still run here.
    until(lambda: [task["status"] for task in tasks_of(stack, "never mind")] == ["CANCELLED"])


def test_the_api_key_is_not_exposed(actor: Actor, stack: LocalStack) -> None:
    set_faults(stack, flag=1)

    must_show_nowhere(
        stack,
        actor.ended(actor.submit("runway-gen4.5", prompt="a secret", duration=2)),
        LOCAL_RUNWAY_KEY,
    )
