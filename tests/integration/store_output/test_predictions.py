"""The step StoreOutput: running and failed predictions, and jobs that have ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from darkroom.domain.errors import RetryLater
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.predictions import Prediction
from darkroom.services import store_output
from darkroom.storage import ledger
from tests.builders import ANN, NOON, held_job, stored
from tests.integration.servers import Reply
from tests.integration.store_output.delivery import (
    ReplicateWithFiles,
    image,
    objects,
    processing_job,
    recorded_failure,
    store,
)

pytestmark = pytest.mark.usefixtures("aws")


def test_waits_for_a_running_prediction(replicate: ReplicateWithFiles) -> None:
    with replicate.returning(None, status="processing"), pytest.raises(RetryLater) as retry:
        store(processing_job())

    assert timedelta() < retry.value.at - datetime.now(UTC) < timedelta(seconds=10)


def test_job_without_a_prediction_is_retried() -> None:
    job = held_job()

    with pytest.raises(RetryLater):
        store(job)

    assert stored(job).storing_at is None


@pytest.mark.parametrize(
    ("prediction", "code"),
    [
        (
            {
                "status": "failed",
                "error": "The input or output was flagged as sensitive. "
                "Please try again with different inputs. (E005)",
            },
            FailureCode.REFUSED,
        ),
        ({"status": "failed", "error": "NSFW content detected"}, FailureCode.REFUSED),
        ({"status": "failed", "error": "CUDA out of memory"}, FailureCode.PREDICTION_FAILED),
        ({"status": "failed", "error": None}, FailureCode.PREDICTION_FAILED),
        ({"status": "canceled"}, FailureCode.PREDICTION_FAILED),
        (
            {
                "status": "canceled",
                "deadline": "2026-01-02T12:05:00Z",
                "completed_at": "2026-01-02T12:04:00Z",
            },
            FailureCode.PREDICTION_FAILED,
        ),
        (
            {
                "status": "canceled",
                "deadline": "2026-01-02T12:05:00Z",
                "completed_at": "2026-01-02T12:05:01Z",
            },
            FailureCode.DEADLINE_EXCEEDED,
        ),
        ({"status": "aborted"}, FailureCode.DEADLINE_EXCEEDED),
        ({"status": "succeeded"}, FailureCode.NO_OUTPUT),
        ({"status": "succeeded", "output": []}, FailureCode.NO_OUTPUT),
        ({"status": "succeeded", "output": "just text"}, FailureCode.NO_OUTPUT),
        ({"status": "succeeded", "data_removed": True}, FailureCode.OUTPUT_UNAVAILABLE),
    ],
)
def test_failed_prediction_records_its_failure_code(
    replicate: ReplicateWithFiles, prediction: dict[str, Any], code: FailureCode
) -> None:
    with replicate.returning(**{"output": None, **prediction}):
        assert recorded_failure(processing_job()) is code


def test_job_that_ends_during_the_poll_does_not_change(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_prediction = store_output._finished_prediction

    def resolve_during_the_poll(job: Job) -> Prediction:
        prediction = finished_prediction(job)
        ledger.resolve(job.account, job.job_id, now=NOON)
        return prediction

    monkeypatch.setattr(store_output, "_finished_prediction", resolve_during_the_poll)
    with replicate.returning(["/a"], {"/a": Reply(200, image())}):
        job = store(processing_job())

    assert (job.status, job.outputs, job.storing_at) == (JobStatus.FAILED, (), None)
    assert (replicate.downloads, objects()) == ([], {})


def test_final_job_does_not_change(replicate: ReplicateWithFiles) -> None:
    job = processing_job()
    final = ledger.resolve(ANN, job.job_id, now=NOON)

    assert store(job) == final
    assert replicate.downloads == []
