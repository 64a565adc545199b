"""Jobs at the WebUI: one request in each entry of RequestPrediction, and the finished images."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from darkroom.domain.errors import GenerationFailed, ProviderQueueFull, RetryLater
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.provider_health import PauseReason
from darkroom.storage import attempts, jobs, provider_state
from local.simulators.stable_diffusion import SimulatedStableDiffusion
from tests.aws import CONTEXT, handler_of
from tests.builders import held_job, stored, until
from tests.integration.servers import Reply, answering, server
from tests.integration.stable_diffusion.webui import runs, set_faults
from tests.integration.steps import at, key, sends, with_setting
from tests.integration.upload_requests import keys


def webui_job(**parameters: Any) -> Job:
    """Store a job of the template sd-webui, with small images."""
    return held_job(template="sd-webui", width=64, height=64, **parameters)


def enter(job: Job) -> None:
    """Enter the state RequestPrediction at this moment."""
    entered_at = datetime.now(UTC).isoformat()
    event = key(job, task_token="token", entered_at=entered_at, retry_count=0)
    handler_of("request_prediction")(event | {"has_queue_state": True}, CONTEXT)


def end(job: Job, function: str = "complete_job") -> Job:
    """End the job by one of the last states, and return it."""
    handler_of(function)(key(job, failure="GenerationFailed"), CONTEXT)
    return stored(job)


def test_each_entry_makes_one_image_and_records_it(
    webui: SimulatedStableDiffusion, resumed: list[str]
) -> None:
    job = webui_job(num_outputs=2)

    with sends(RetryLater) as first:
        enter(job)

    half = stored(job)
    assert half.attempt
    prefix = f"media/web/ann/{job.job_id}/"
    assert half.attempt.finished_outputs == (f"{prefix}0.png",)
    assert half.attempt.prediction_id is None
    assert (half.status, half.slot, half.waiting_since) == (JobStatus.PROCESSING, "000", None)
    assert first.at - datetime.now(UTC) < timedelta(seconds=2)
    assert resumed == []

    enter(job)

    whole = stored(job)
    assert resumed == ["token"]
    assert whole.attempt
    assert (whole.attempt.prediction_id, whole.slot) == (f"2@{prefix}", None)
    assert (whole.attempt.requests_count, len(whole.attempts)) == (2, 1)
    handler_of("store_output")(key(job), CONTEXT)
    ended = end(job)
    assert (ended.status, len(ended.outputs), ended.charged) == (JobStatus.COMPLETED, 2, 20)
    assert len(runs(webui)) == 2


def test_a_run_that_goes_on_behind_a_gateway_is_requested_once(
    webui: SimulatedStableDiffusion,
) -> None:
    job = webui_job()
    set_faults(webui, gateway_seconds=0.2, run_seconds=3)
    with sends(RetryLater):
        enter(job)
    waiting = stored(job)
    assert waiting.attempt
    assert (waiting.attempt.unanswered_count, waiting.status) == (1, JobStatus.PENDING)
    assert waiting.waiting_since

    for _ in range(3):
        with sends(RetryLater):
            enter(job)

    assert len(runs(webui)) == 1
    set_faults(webui)
    until(lambda: entered_and_made(job), seconds=10)
    made = stored(job)
    assert len(runs(webui)) == 2
    assert made.attempt
    assert (made.waiting_since, made.attempt.unanswered_count) == (None, 1)


def entered_and_made(job: Job) -> bool:
    """Enter the state again. Return whether the job has its image."""
    try:
        enter(job)
    except AssertionError:
        return False
    attempt = stored(job).attempt
    return attempt is not None and attempt.prediction_id is not None


@pytest.mark.parametrize("status", ["504", "524"])
def test_a_gateway_that_is_always_too_short_costs_three_runs(
    webui: SimulatedStableDiffusion, status: str
) -> None:
    job = webui_job(num_outputs=2)
    set_faults(webui, gateway_seconds=0.1, gateway_status=status, run_seconds=0.3)
    for count in (1, 2, 3):
        with sends(RetryLater):
            enter(job)
        until(partial(have_ended, webui, count), seconds=5)

    with sends(GenerationFailed):
        enter(job)

    failed = end(job, "refund_job")
    assert failed.failure
    assert failed.failure.code is FailureCode.PROVIDER_UNAVAILABLE
    assert (failed.charged, failed.refunded, keys()) == (0, 20, [])
    assert len(runs(webui)) == 3


def have_ended(webui: SimulatedStableDiffusion, count: int) -> bool:
    """Return whether this many runs have ended."""
    found = runs(webui)
    return len(found) == count and found[-1]["images"] == 1


def test_a_job_whose_second_image_fails_is_charged_for_the_first(
    webui: SimulatedStableDiffusion, resumed: list[str]
) -> None:
    job = webui_job(num_outputs=2)
    with sends(RetryLater):
        enter(job)
    set_faults(webui, out_of_memory=1)

    enter(job)

    handler_of("store_output")(key(job), CONTEXT)
    ended = end(job)
    assert resumed == ["token"]
    assert (ended.status, ended.charged, ended.refunded) == (JobStatus.COMPLETED, 10, 10)


def test_at_the_deadline_the_finished_images_are_delivered(
    webui: SimulatedStableDiffusion, resumed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = webui_job(num_outputs=3)
    with sends(RetryLater):
        enter(job)
    deadline = stored(job).deadline_at
    assert deadline
    at(monkeypatch, deadline)

    enter(job)

    assert resumed == ["token"]
    handler_of("store_output")(key(job), CONTEXT)
    ended = end(job)
    assert (ended.status, len(ended.outputs), ended.charged) == (JobStatus.COMPLETED, 1, 10)
    assert len(runs(webui)) == 1


def test_a_canceled_job_interrupts_its_run(webui: SimulatedStableDiffusion) -> None:
    job = webui_job()
    set_faults(webui, run_seconds=30)
    thread = threading.Thread(target=enter, args=(job,))
    thread.start()
    until(lambda: len(runs(webui)) == 1, seconds=10)
    now = datetime.now(UTC)
    assert jobs.request_cancel(stored(job), next_check_at=now, now=now)

    canceled = end(job, "refund_job")

    thread.join(timeout=10)
    assert not thread.is_alive(), "the request ended, because its run was interrupted"
    assert (canceled.status, canceled.refunded) == (JobStatus.CANCELED, 10)
    assert runs(webui)[0]["interrupted"]
    assert keys() == []


def test_a_canceled_job_without_a_run_interrupts_nothing(webui: SimulatedStableDiffusion) -> None:
    job, now = webui_job(), datetime.now(UTC)
    assert attempts.begin_attempt(job, "entry", lease_until=now, now=now)
    assert jobs.request_cancel(stored(job), next_check_at=now, now=now)
    other = webui_job()
    set_faults(webui, run_seconds=1)
    thread = threading.Thread(target=enter, args=(other,))
    thread.start()
    until(lambda: len(runs(webui)) == 1, seconds=10)

    assert end(job, "refund_job").status is JobStatus.CANCELED

    thread.join()
    assert not runs(webui)[0]["interrupted"]


def test_a_refused_login_pauses_the_server_and_the_job_waits_in_the_queue(
    webui: SimulatedStableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = webui_job()
    with_setting(monkeypatch, "STABLE_DIFFUSION_LOGIN_SECRET", "")

    with sends(ProviderQueueFull):
        enter(job)

    assert provider_state.read_state("stable_diffusion").pause_reason is PauseReason.ACCOUNT
    waiting = stored(job)
    assert waiting.attempt
    assert (waiting.status, waiting.attempt.abandoned) == (JobStatus.PENDING, True)
    assert (waiting.deadline_at, waiting.slot, runs(webui)) == (None, None, [])
    assert waiting.queue_key


@pytest.mark.parametrize("fault", ["no_api", "login_redirect", "login_page", "no_checkpoint"])
def test_a_server_without_the_api_or_a_model_fails_the_job_as_the_operators_fault(
    webui: SimulatedStableDiffusion, fault: str
) -> None:
    job = webui_job()
    set_faults(webui, **{fault: 1})

    with sends(GenerationFailed):
        enter(job)

    failed = end(job, "refund_job")
    assert failed.failure
    assert failed.failure.code is FailureCode.MODEL_UNAVAILABLE
    assert failed.is_fault
    assert not failed.failure.retryable


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (b'{"sd_model_checkpoint": null}', FailureCode.MODEL_UNAVAILABLE),
        (b'{"sd_model_checkpoint": "sdxl"}', FailureCode.PREDICTION_FAILED),
        (b"{}", FailureCode.PREDICTION_FAILED),
    ],
)
def test_a_failed_run_of_a_server_without_a_checkpoint_is_the_operators_fault(
    webui: SimulatedStableDiffusion,
    options: bytes,
    code: FailureCode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = webui_job()
    plain_error = answering(Reply(500, b"Internal Server Error"))
    answers = {
        "/sdapi/v1/options": Reply(200, options),
        "/sdapi/v1/samplers": Reply(200, b'[{"name": "DPM++ 2M Karras"}]'),
        "/sdapi/v1/schedulers": Reply(404),
    }
    with server(lambda received: answers.get(received.path) or plain_error(received)) as url:
        with_setting(monkeypatch, "STABLE_DIFFUSION_URL", url)
        with sends(GenerationFailed):
            enter(job)

    failed = end(job, "refund_job")
    assert failed.failure
    assert failed.failure.code is code
