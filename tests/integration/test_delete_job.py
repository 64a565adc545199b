"""Deleting: the record and all media go, the entries stay, and nothing comes back."""

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


def delivered_job(*, now: datetime | None = None) -> Job:
    """A completed and announced job, with an image and its thumbnail in the bucket."""
    job = held_job(now=now)
    for name in (bucket.output_key(job, 0, "png"), bucket.thumbnail_key(job, 0)):
        bucket.put(name, b"pixels", "image/png")
    jobs.record_output(
        job,
        Output(
            number=0,
            key=bucket.output_key(job, 0, "png"),
            content_type="image/png",
            bytes=6,
            width=1,
            height=1,
        ),
    )
    ended = ledger.resolve(ANN, job.job_id, now=now or datetime.now(UTC))
    jobs.leave_open_jobs(ended)
    return stored(job)


def objects() -> list[str]:
    return [
        item["Key"]
        for item in client("s3")
        .list_objects_v2(Bucket=os.environ["MEDIA_BUCKET"])
        .get("Contents", [])
    ]


def test_a_user_who_is_named_like_a_path_into_the_jobs_of_another_keeps_the_media() -> None:
    job = delivered_job()
    neighbour = bucket.prefix_of(AccountId("web", f"ann/{job.job_id}"), job.job_id) + "0.png"
    bucket.put(neighbour, b"pixels", "image/png")

    assert delete(job)[0] == 204

    assert objects() == [neighbour]


def test_the_record_and_all_its_media_are_gone_and_the_entries_stay() -> None:
    job, other = delivered_job(), delivered_job()
    bucket.put(
        bucket.output_key(job, 7, "png"), b"of an invocation that no record knows of", "image/png"
    )
    before = ledger.entries(ANN, limit=100, cursor=None).items

    assert delete(job)[:2] == (204, None)

    assert call_api("GET", f"/jobs/{job.job_id}")[0] == 404
    assert objects() == [bucket.output_key(other, 0, "png"), bucket.thumbnail_key(other, 0)]
    assert ledger.entries(ANN, limit=100, cursor=None).items == before
    assert call_api("GET", "/jobs")[1]["total"] == 1
    assert ledger.balance(ANN).spent == 20


def test_deleting_twice_says_that_it_is_gone_and_counts_once() -> None:
    job = delivered_job()
    delete(job)

    assert delete(job)[0] == 404
    assert ledger.balance(ANN).jobs_total == 0


def test_an_open_job_is_not_deleted() -> None:
    job = held_job()

    status, problem, headers = delete(job)

    assert (status, problem["type"]) == (409, "/problems/job-is-open")
    assert headers["Retry-After"]
    assert stored(job).status is JobStatus.PENDING


def test_a_job_is_open_until_its_end_is_announced() -> None:
    job = held_job()
    ended = ledger.resolve(ANN, job.job_id, now=NOON)
    assert delete(job)[0] == 409

    jobs.leave_open_jobs(ended)

    assert delete(job)[0] == 204


def test_nobody_deletes_the_job_of_another_account() -> None:
    job = delivered_job()

    assert delete(job, user="bob")[0] == 404
    assert stored(job).status is JobStatus.COMPLETED


def test_what_a_late_invocation_wrote_is_purged_when_none_can_write_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job, now = delivered_job(), datetime.now(UTC)
    at(monkeypatch, now)
    delete(job)
    bucket.put(bucket.output_key(job, 1, "png"), b"too late", "image/png")

    at(monkeypatch, now + timedelta(seconds=179))
    recover()
    assert objects() == [bucket.output_key(job, 1, "png")]
    at(monkeypatch, now + timedelta(seconds=180))
    recover()

    assert objects() == []
    assert due_job_ids(CheckQueue.ENDED, now=now + timedelta(days=1)) == []


@pytest.mark.parametrize("operation", ["ListObjectsV2", "DeleteObjects"])
def test_a_bucket_that_fails_leaves_the_media_to_recovery(
    operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, now = delivered_job(), datetime.now(UTC)
    with failing_calls(aws_adapter.client("s3"), operation, AwsError("SlowDown")):
        status, problem, _ = call_api("DELETE", f"/jobs/{job.job_id}")
    assert (status, problem["type"]) == (503, "/problems/unavailable")
    assert objects()

    at(monkeypatch, now + timedelta(seconds=181))
    recover()

    assert objects() == []
    with pytest.raises(NotFound):
        stored(job)


def test_what_cannot_be_purged_does_not_keep_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_setting(monkeypatch, "RECOVERIES_PER_RUN_MAX", 4)
    now = datetime.now(UTC)
    at(monkeypatch, now)
    all_jobs = [delivered_job() for _ in range(8)]
    for job in all_jobs:
        delete(job)
        bucket.put(bucket.output_key(job, 1, "png"), b"too late", "image/png")
    refused = bucket.prefix_of(ANN, all_jobs[0].job_id)
    delete_all = bucket.delete_all

    def deleted(account: AccountId, job_id: str) -> None:
        if bucket.prefix_of(account, job_id) == refused:
            raise bucket.MediaNotDeleted("AccessDenied")
        delete_all(account, job_id)

    monkeypatch.setattr(bucket, "delete_all", deleted)
    for minutes in range(3, 12):
        at(monkeypatch, now + timedelta(minutes=minutes))
        recover()

    assert objects() == [bucket.output_key(all_jobs[0], 1, "png")]


@pytest.mark.parametrize("function", ["complete_job", "refund_job"])
def test_a_step_that_is_repeated_after_the_deletion_is_no_fault(function: str) -> None:
    job = delivered_job()
    delete(job)

    assert handler_of(function)(steps.key(job, failure="Lambda.Unknown"), CONTEXT) in (
        None,
        {"fault": False},
    )


def test_a_late_write_does_not_bring_the_record_back() -> None:
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
    def test_a_job_is_deleted_when_its_days_are_over_and_not_before(
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
        assert objects() == []
        assert ledger.balance(ANN).spent == 10

    def test_without_retention_everything_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = delivered_job(now=NOON)

        at(monkeypatch, NOON + timedelta(days=36_500))
        recover()

        assert stored(job).status is JobStatus.COMPLETED

    def test_the_days_of_today_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "RETENTION_DAYS", 1)
        longer, for_ever = delivered_job(now=NOON), delivered_job(now=NOON)
        with_setting(monkeypatch, "RETENTION_DAYS", 3)
        at(monkeypatch, NOON + timedelta(days=2))
        recover()
        assert stored(longer)

        at(monkeypatch, NOON + timedelta(days=3))
        with_setting(monkeypatch, "RETENTION_DAYS", 0)
        recover()

        assert stored(for_ever)
        assert due_job_ids(CheckQueue.ENDED, now=NOON + timedelta(days=99)) == []

    def test_a_retained_job_can_be_deleted_by_its_owner(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "RETENTION_DAYS", 30)

        assert delete(delivered_job())[0] == 204
