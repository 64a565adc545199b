"""Cancel, delete, rerun and pause over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import requests

from local.client import Client
from local.stack import LocalStack
from tests.builders import until
from tests.e2e.actors import Actor, predictions_of, set_faults


@contextmanager
def paused(admin: Client) -> Iterator[None]:
    admin.call("PUT", "/admin/paused", json={"paused": True})
    try:
        yield
    finally:
        admin.call("PUT", "/admin/paused", json={"paused": False})


def test_a_canceled_job_costs_nothing_and_its_prediction_is_canceled(
    actor: Actor, stack: LocalStack
) -> None:
    set_faults(stack, run_seconds=60)
    prompt = f"stop {uuid4().hex}"
    job_id = actor.submit(prompt=prompt)
    until(lambda: actor.client.get(f"/jobs/{job_id}")["status"] == "processing")

    requested = actor.client.post(f"/jobs/{job_id}/cancel", None)
    job = actor.ended(job_id)

    assert requested["cancel_requested_at"]
    assert (job["status"], job["error"]["code"]) == ("canceled", "canceled")
    assert job["credits"] == {"quoted": 10, "held": 0, "charged": 0, "refunded": 10}
    assert until(lambda: [each["status"] for each in predictions_of(stack, prompt)] == ["canceled"])
    assert actor.must_have_a_balanced_ledger()["available"] == 200
    assert actor.refused("POST", f"/jobs/{job_id}/cancel").status_code == 409


def test_delete_removes_a_job_and_its_images_but_not_its_ledger_entries(
    actor: Actor, stack: LocalStack
) -> None:
    set_faults(stack, run_seconds=3)
    job_id = actor.submit()
    assert actor.refused("DELETE", f"/jobs/{job_id}").status_code == 409
    job = actor.ended(job_id)

    # The job's end is visible before it is announced. Until then the job cannot be deleted.
    until(lambda: delete(actor, stack, job_id) == 204)

    assert actor.refused("GET", f"/jobs/{job_id}").status_code == 404
    for link in (job["outputs"][0]["url"], job["outputs"][0]["thumbnail_url"]):
        # The signer of the link may not list the bucket. So S3 does not say that nothing is there.
        assert requests.get(link, timeout=10).status_code == 403
    assert actor.client.get("/jobs")["total"] == 0
    assert actor.must_have_a_balanced_ledger()["spent"] == 10


def test_an_ended_job_can_run_again_with_the_same_parameters(actor: Actor) -> None:
    first = actor.ended(actor.submit(seed=7, aspect_ratio="3:2"))

    again = actor.ended(actor.client.post("/jobs", {"rerun_of": first["id"]})["id"])

    assert again["id"] != first["id"]
    assert (again["status"], again["parameters"]) == ("completed", first["parameters"])
    assert actor.must_have_a_balanced_ledger()["spent"] == 20


def test_a_pause_refuses_new_jobs_and_does_not_stop_accepted_jobs(
    actor: Actor, admin: Client, stack: LocalStack
) -> None:
    set_faults(stack, run_seconds=2)
    job_id = actor.submit()
    with paused(admin):
        refused = actor.refused("POST", "/jobs", json={"rerun_of": job_id})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
        assert actor.ended(job_id)["status"] == "completed"

    assert actor.ended(actor.submit())["status"] == "completed"


def test_an_interrupted_prediction_is_retried_once_and_charged_once(
    actor: Actor, stack: LocalStack
) -> None:
    set_faults(stack, fail=1.0, run_seconds=0.5)
    prompt = f"again {uuid4().hex}"
    job_id = actor.submit(prompt=prompt)
    until(lambda: predictions_of(stack, prompt))
    set_faults(stack)

    job = actor.ended(job_id)

    assert (job["status"], job["attempts"]) == ("completed", 2)
    assert [each["status"] for each in predictions_of(stack, prompt)] == ["failed", "succeeded"]
    assert actor.must_have_a_balanced_ledger()["spent"] == 10


def delete(actor: Actor, stack: LocalStack, job_id: str) -> int:
    headers = {"Authorization": f"Bearer {stack.token(actor.name)}"}
    return requests.delete(
        f"{stack.api_url}/jobs/{job_id}", headers=headers, timeout=30
    ).status_code
