"""Faults of Replicate: each job ends, its ledger balances, and no extra prediction is requested."""

from __future__ import annotations

from typing import Any

import pytest

from local.stack import LocalStack
from tests.builders import until
from tests.e2e.actors import Actor, predictions_of, set_faults


@pytest.mark.parametrize(
    ("faults", "ends_as", "charged", "predictions_count"),
    [
        ({"refuse": 1, "refusal": "invalid_version"}, "model_unavailable", 0, 0),
        ({"refuse": 1, "refusal": "moved"}, "model_unavailable", 0, 0),
        ({"refuse": 1, "refusal": "detail_only"}, "invalid_input", 0, 0),
        ({"cancel": 1}, "prediction_failed", 0, 1),
        ({"abort": 1}, "deadline_exceeded", 0, 1),
        ({"flag_sensitive": 1}, "refused", 0, 1),
        ({"fail": 1}, "prediction_failed", 0, 2),
        ({"fail": 1, "error": "CUDA out of memory (E1001)"}, "prediction_failed", 0, 1),
        ({"no_output": 1}, "no_output", 0, 1),
        ({"data_removed": 1}, "output_unavailable", 0, 1),
        ({"output_shape": "text"}, "no_output", 0, 1),
        ({"output_shape": "empty_list"}, "no_output", 0, 1),
        ({"output_shape": "object"}, None, 20, 1),
        ({"output_shape": "string"}, None, 10, 1),
        ({"output_shape": "page"}, None, 20, 1),
        ({"output_shape": "repeated"}, None, 20, 1),
        ({"delivery_host": "files.moved.example"}, "output_host_refused", 0, 1),
        ({"break_download": 1, "download_answer": "gone"}, "output_unavailable", 0, 1),
        ({"break_download": 1, "download_answer": "moved"}, "output_host_refused", 0, 1),
        ({"break_download": 1, "download_answer": "needs_token"}, None, 20, 1),
        ({"unready_seconds": 4, "download_answer": "page"}, None, 20, 1),
        ({"lose_webhook": 1}, None, 20, 1),
        ({"duplicate_webhook": 1, "reorder": 1}, None, 20, 1),
        ({"lost_create_answer": 1}, None, 20, 1),
    ],
    ids=str,
)
def test_under_each_fault_a_job_ends_and_only_its_outputs_are_charged(
    actor: Actor,
    stack: LocalStack,
    faults: dict[str, Any],
    *,
    ends_as: str | None,
    charged: int,
    predictions_count: int,
) -> None:
    set_faults(stack, **faults)
    prompt = f"at its worst: {faults}"

    job = actor.ended(actor.submit(prompt=prompt, num_outputs=2))

    assert (job["error"]["code"] if job["error"] else None, job["credits"]["charged"]) == (
        ends_as,
        charged,
    )
    assert job["credits"]["charged"] + job["credits"]["refunded"] == job["credits"]["quoted"]
    assert len(predictions_of(stack, prompt)) == predictions_count
    actor.must_have_a_balanced_ledger()


@pytest.mark.parametrize("fault", ["no_credit", "unauthenticated"])
def test_a_job_waits_while_the_account_is_refused(
    actor: Actor, stack: LocalStack, fault: str
) -> None:
    set_faults(stack, **{fault: 1})
    prompt = f"our fault: {fault}"
    job_id = actor.submit(prompt=prompt)

    until(lambda: actor.client.get(f"/jobs/{job_id}")["waiting_since"])
    assert actor.client.get(f"/jobs/{job_id}")["error"] is None
    assert predictions_of(stack, prompt) == []
    actor.client.post(f"/jobs/{job_id}/cancel", None)


@pytest.mark.parametrize("fault", ["throttle", "low_credit", "unavailable", "not_yet"])
def test_after_a_transient_fault_a_job_completes_with_one_prediction(
    actor: Actor, stack: LocalStack, fault: str
) -> None:
    if fault == "low_credit":
        # With little credit, Replicate refuses a create soon after another create.
        set_faults(stack, low_credit=1)
        actor.submit(prompt="somebody else's")
    set_faults(stack, **{fault: 1})
    prompt = f"what passes: {fault}"
    job_id = actor.submit(prompt=prompt)
    until(
        lambda: (
            (job := actor.client.get(f"/jobs/{job_id}"))["waiting_since"]
            or job["status"] == "processing"
        )
    )
    set_faults(stack)

    assert actor.ended(job_id)["status"] == "completed"
    assert len(predictions_of(stack, prompt)) == 1


def test_jobs_end_under_a_mixture_of_faults(actor: Actor, stack: LocalStack) -> None:
    set_faults(
        stack,
        lose_webhook=0.3,
        duplicate_webhook=0.3,
        throttle=0.2,
        unavailable=0.1,
        server_error=0.1,
        lost_create_answer=0.2,
        fail=0.2,
        drop_output=0.2,
        not_yet=0.2,
        cancel=0.1,
        no_output=0.1,
        seed=7,
    )
    prompts = [f"a mixture: {number}" for number in range(6)]
    job_ids = [actor.submit(prompt=prompt, num_outputs=2) for prompt in prompts]

    jobs = [actor.ended(job_id, seconds=150) for job_id in job_ids]

    for job, prompt in zip(jobs, prompts, strict=True):
        assert job["credits"]["charged"] == 10 * len(job["outputs"])
        assert job["credits"]["charged"] + job["credits"]["refunded"] == 20
        assert len(predictions_of(stack, prompt)) <= 2
    actor.must_have_a_balanced_ledger()
