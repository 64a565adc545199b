"""A deletion removes the record and all media of a job for ever. The entries stay."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from darkroom.aws import clients as aws_adapter
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import NotFound
from darkroom.domain.jobs import Job, JobStatus, Output
from darkroom.media import bucket
from darkroom.storage import checks, jobs, ledger
from darkroom.storage.job_rows import CheckQueue
from tests.aws import CONTEXT, client, handler_of
from tests.builders import ANN, NOON, call_api, held_job, stored
from tests.integration import steps
from tests.integration.broken_aws import AwsError, failing_calls
from tests.integration.steps import at, due_job_ids, with_setting

pytestmark = pytest.mark.usefixtures("aws")


def delete(job: Job, user: str = "ann") -> tuple[int, Any, dict[str, str]]:
    return call_api("DELETE", f"/jobs/{job.job_id}", user=user)


def recover() -> None:
    handler_of("recover_jobs")({}, CONTEXT)


def output_key(job: Job, number: int) -> str:
    return f"{bucket.prefix_of(job.account, job.job_id)}{number}.png"


def delivered_job(*, now: datetime | None = None) -> Job:
    """Return a completed and announced job with an image and a thumbnail in the bucket."""
    job = held_job(now=now)
    for name in (output_key(job, 0), bucket.thumbnail_key(job, 0)):
        bucket.put(name, b"pixels", "image/png")
    jobs.record_output(
        job,
        Output(
            number=0,
            key=output_key(job, 0),
            content_type="image/png",
            bytes=6,
            width=1,
            height=1,
        ),
    )
    ended = ledger.resolve(ANN, job.job_id, now=now or datetime.now(UTC))
    jobs.leave_open_jobs(ended)
    return stored(job)


def object_keys() -> list[str]:
    return [
        item["Key"]
        for item in client("s3")
        .list_objects_v2(Bucket=os.environ["MEDIA_BUCKET"])
        .get("Contents", [])
    ]


def test_keeps_the_media_of_a_user_whose_id_resembles_the_path_of_a_job() -> None:
    job = delivered_job()
    other_key = bucket.prefix_of(AccountId("web", f"ann/{job.job_id}"), job.job_id) + "0.png"
    bucket.put(other_key, b"pixels", "image/png")

    assert delete(job)[0] == 204

    assert object_keys() == [other_key]


def test_removes_the_record_and_all_media_and_keeps_the_entries() -> None:
    job, other = delivered_job(), delivered_job()
    bucket.put(output_key(job, 7), b"not on the record", "image/png")
    before = ledger.entries(ANN, limit=100, cursor=None).items

    assert delete(job)[:2] == (204, None)

    assert call_api("GET", f"/jobs/{job.job_id}")[0] == 404
    assert object_keys() == [output_key(other, 0), bucket.thumbnail_key(other, 0)]
    assert ledger.entries(ANN, limit=100, cursor=None).items == before
    assert call_api("GET", "/jobs")[1]["total"] == 1
    assert ledger.balance(ANN).spent == 20


def test_a_second_deletion_is_not_found_and_does_not_count() -> None:
    job = delivered_job()
    delete(job)

    assert delete(job)[0] == 404
    assert ledger.balance(ANN).jobs_total == 0


def test_refuses_to_delete_an_open_job() -> None:
    job = held_job()

    status, problem, headers = delete(job)

    assert (status, problem["type"]) == (409, "/problems/job-is-open")
    assert headers["Retry-After"]
    assert stored(job).status is JobStatus.PENDING


def test_refuses_to_delete_a_job_whose_end_is_not_announced() -> None:
    job = held_job()
    ended = ledger.resolve(ANN, job.job_id, now=NOON)
    assert delete(job)[0] == 409

    jobs.leave_open_jobs(ended)

    assert delete(job)[0] == 204


def test_refuses_to_delete_the_job_of_another_account() -> None:
    job = delivered_job()

    assert delete(job, user="bob")[0] == 404
    assert stored(job).status is JobStatus.COMPLETED


def test_removes_media_of_late_invocations_after_180_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job, now = delivered_job(), datetime.now(UTC)
    at(monkeypatch, now)
    delete(job)
    bucket.put(output_key(job, 1), b"too late", "image/png")

    at(monkeypatch, now + timedelta(seconds=179))
    recover()
    assert object_keys() == [output_key(job, 1)]
    at(monkeypatch, now + timedelta(seconds=180))
    recover()

    assert object_keys() == []
    assert due_job_ids(CheckQueue.ENDED, now=now + timedelta(days=1)) == []


@pytest.mark.parametrize("operation", ["ListObjectsV2", "DeleteObjects"])
def test_recovery_removes_the_media_after_an_error_of_the_bucket(
    operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, now = delivered_job(), datetime.now(UTC)
    at(monkeypatch, now)
    with failing_calls(aws_adapter.client("s3"), operation, AwsError("SlowDown")):
        status, problem, _ = call_api("DELETE", f"/jobs/{job.job_id}")
    assert (status, problem["type"]) == (503, "/problems/unavailable")
    assert object_keys()

    at(monkeypatch, now + timedelta(seconds=181))
    recover()

    assert object_keys() == []
    with pytest.raises(NotFound):
        stored(job)


def test_recovery_continues_after_media_that_it_cannot_remove(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_setting(monkeypatch, "RECOVERIES_PER_RUN_MAX", 4)
    now = datetime.now(UTC)
    at(monkeypatch, now)
    all_jobs = [delivered_job() for _ in range(8)]
    for job in all_jobs:
        delete(job)
        bucket.put(output_key(job, 1), b"too late", "image/png")
    refused_prefix = bucket.prefix_of(ANN, all_jobs[0].job_id)
    delete_all = bucket.delete_all

    def delete_or_refuse(account: AccountId, job_id: str) -> None:
        if bucket.prefix_of(account, job_id) == refused_prefix:
            raise bucket.MediaNotDeleted("AccessDenied")
        delete_all(account, job_id)

    monkeypatch.setattr(bucket, "delete_all", delete_or_refuse)
    for minutes in range(3, 12):
        at(monkeypatch, now + timedelta(minutes=minutes))
        recover()

    assert object_keys() == [output_key(all_jobs[0], 1)]


@pytest.mark.parametrize("function", ["complete_job", "refund_job"])
def test_a_step_repeated_after_the_deletion_reports_no_fault(function: str) -> None:
    job = delivered_job()
    delete(job)

    assert handler_of(function)(steps.key(job, failure="Lambda.Unknown"), CONTEXT) in (
        None,
        {"fault": False},
    )


def test_late_writes_do_not_create_the_record_again() -> None:
    job = delivered_job()
    delete(job)

    assert not jobs.record_output(
        job, Output(number=1, key="k", content_type="image/png", bytes=1, width=1, height=1)
    )
    assert not checks.schedule_check(ANN, job.job_id, NOON)
    assert not jobs.leave_open_jobs(job)
    assert not jobs.renew_retention(job)

    with pytest.raises(NotFound):
        stored(job)


class TestRetention:
    def test_deletes_a_job_when_its_retention_ends_and_not_before(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "RETENTION_DAYS", 30)
        job = delivered_job(now=NOON)

        at(monkeypatch, NOON + timedelta(days=30, milliseconds=-1))
        recover()
        assert stored(job).status is JobStatus.COMPLETED
        at(monkeypatch, NOON + timedelta(days=30))
        recover()

        with pytest.raises(NotFound):
            stored(job)
        assert object_keys() == []
        assert ledger.balance(ANN).spent == 10

    def test_keeps_all_jobs_without_a_retention(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = delivered_job(now=NOON)

        at(monkeypatch, NOON + timedelta(days=36_500))
        recover()

        assert stored(job).status is JobStatus.COMPLETED

    def test_applies_the_current_setting_to_older_jobs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "RETENTION_DAYS", 1)
        extended, unlimited = delivered_job(now=NOON), delivered_job(now=NOON)
        with_setting(monkeypatch, "RETENTION_DAYS", 3)
        at(monkeypatch, NOON + timedelta(days=2))
        recover()
        assert stored(extended)

        at(monkeypatch, NOON + timedelta(days=3))
        with_setting(monkeypatch, "RETENTION_DAYS", 0)
        recover()

        assert stored(unlimited)
        assert due_job_ids(CheckQueue.ENDED, now=NOON + timedelta(days=99)) == []

    def test_the_owner_can_delete_a_retained_job(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "RETENTION_DAYS", 30)

        assert delete(delivered_job())[0] == 204
