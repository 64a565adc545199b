"""Canceling, deleting and running again over HTTP: what a user of the running stack sees."""

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


def test_a_canceled_job_costs_nothing_and_its_prediction_is_stopped(
    actor: Actor, stack: LocalStack
) -> None:
    set_faults(stack, run_seconds=60)
    prompt = f"stop {uuid4().hex}"
    job_id = actor.submit(prompt=prompt)
    until(lambda: actor.client.get(f"/jobs/{job_id}")["status"] == "processing")

    asked = actor.client.post(f"/jobs/{job_id}/cancel", None)
    job = actor.ended(job_id)

    assert asked["cancel_requested_at"]
    assert (job["status"], job["error"]["code"]) == ("canceled", "canceled")
    assert job["credits"] == {"quoted": 10, "held": 0, "charged": 0, "refunded": 10}
    assert until(lambda: [each["status"] for each in predictions_of(stack, prompt)] == ["canceled"])
    assert actor.must_have_a_balanced_ledger()["available"] == 200
    assert actor.refused("POST", f"/jobs/{job_id}/cancel").status_code == 409


def test_a_deleted_job_is_gone_with_its_images_and_its_entries_stay(
    actor: Actor, stack: LocalStack
) -> None:
    set_faults(stack, run_seconds=3)
    job_id = actor.submit()
    assert actor.refused("DELETE", f"/jobs/{job_id}").status_code == 409
    job = actor.ended(job_id)

    # The end of a job may be seen a moment before it is announced, and until then the job is open.
    until(lambda: delete(actor, stack, job_id) == 204)

    assert actor.refused("GET", f"/jobs/{job_id}").status_code == 404
    for link in (job["outputs"][0]["url"], job["outputs"][0]["thumbnail_url"]):
        assert requests.get(link, timeout=10).status_code == 404
    assert actor.client.get("/jobs")["total"] == 0
    assert actor.must_have_a_balanced_ledger()["spent"] == 10


def test_a_job_that_ended_runs_again(actor: Actor) -> None:
    first = actor.ended(actor.submit(seed=7, aspect_ratio="3:2"))

    again = actor.ended(actor.client.post("/jobs", {"rerun_of": first["id"]})["id"])

    assert again["id"] != first["id"]
    assert (again["status"], again["parameters"]) == ("completed", first["parameters"])
    assert actor.must_have_a_balanced_ledger()["spent"] == 20


def test_while_paused_no_job_is_taken_and_those_that_were_go_on(
    actor: Actor, admin: Client, stack: LocalStack
) -> None:
    set_faults(stack, run_seconds=2)
    job_id = actor.submit()
    with paused(admin):
        refused = actor.refused("POST", "/jobs", json={"rerun_of": job_id})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
        assert actor.ended(job_id)["status"] == "completed"

    assert actor.ended(actor.submit())["status"] == "completed"


def test_an_interrupted_prediction_is_requested_once_more_and_paid_for_once(
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
