"""32 threads end the same job: it ends once, a cancel in time wins, and a deletion is final."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier, current_thread, local, main_thread

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import JobIsOpen, NotFound
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus, Output
from darkroom.media import bucket
from darkroom.services import delete_job
from darkroom.storage import attempts, checks, jobs, ledger
from darkroom.storage.idempotency import IdempotencyKey
from darkroom.storage.table import DeletedRow
from tests.builders import ANN, NOON, held_job, image_job, stored
from tests.simulation.account_records import checked_records
from tests.simulation.race import THREADS, Race, raised, returned

pytest_plugins = ["tests.simulation.dynamodb_local_fixtures"]

KEY = IdempotencyKey.of("key", b"body")


@pytest.fixture
def purged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs whose media were deleted."""
    job_ids: list[str] = []
    monkeypatch.setattr(bucket, "delete_all", lambda _, job_id: job_ids.append(job_id))
    return job_ids


@pytest.fixture
def simultaneous_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every thread wait after its first read of the job until all threads have read it.

    Each thread then decides on an outdated record.
    """
    barrier, thread, read = Barrier(THREADS, timeout=60), local(), jobs.read

    def read_and_wait(account: AccountId, job_id: str) -> Job:
        job = read(account, job_id)
        if current_thread() is not main_thread() and not hasattr(thread, "has_read"):
            thread.has_read = True
            barrier.wait()
        return job

    monkeypatch.setattr(jobs, "read", read_and_wait)


def processing_job() -> Job:
    """Return a job of 4 outputs for 40 credits, with a recorded prediction."""
    job = held_job(num_outputs=4)
    attempt = attempts.begin_attempt(job, "entry", lease_until=NOON, now=NOON)
    assert attempt
    assert attempts.record_prediction(job, attempt, "prediction", now=NOON)
    return stored(job)


def output(number: int) -> Output:
    return Output(
        number=number,
        key=f"media/{number}.webp",
        content_type="image/webp",
        bytes=1,
        width=1,
        height=1,
    )


def deliver(job: Job) -> None:
    """Store all outputs that no other thread has stored."""
    for number in range(job.model_input.outputs_count):
        job_read = stored(job)
        while (
            number not in {each.number for each in job_read.outputs}
            and not job_read.status.is_final
            and not jobs.record_output(job_read, output(number))
        ):
            job_read = stored(job)


def resolve(job: Job) -> Job:
    return ledger.resolve(job.account, job.job_id, now=NOON)


def refund(job: Job) -> Job:
    return ledger.resolve(
        job.account, job.job_id, reason=failure(FailureCode.PREDICTION_FAILED), now=NOON
    )


def cancel(job: Job) -> Job | None:
    """Read the job and request its cancel, as the API does."""
    return jobs.request_cancel(stored(job), next_check_at=NOON, now=NOON)


def store_and_complete(job: Job) -> Job:
    """Do what StoreOutput and the next step do after the prediction has succeeded."""
    if not jobs.record_storing(job, now=NOON) and stored(job).cancel_wins:
        return refund(job)
    deliver(job)
    return resolve(job)


def leave_open_jobs(job: Job) -> bool:
    return jobs.leave_open_jobs(resolve(job))


def delete(job: Job) -> bool:
    delete_job.delete(job.account, job.job_id, now=NOON + timedelta(minutes=1))
    return True


def receipt(job: Job) -> tuple[JobStatus, int, int]:
    return job.status, job.charged, job.refunded


@pytest.mark.parametrize("delivered", [False, True], ids=["nothing delivered", "all delivered"])
def test_a_job_ends_once_by_complete_cancel_or_refund(
    race: Race, simultaneous_reads: None, *, delivered: bool
) -> None:
    job = processing_job()
    if delivered:
        assert jobs.record_storing(job, now=NOON)
        deliver(job)

    outcomes = race.run(lambda worker: (cancel, resolve, refund)[worker % 3](job))

    ended = stored(job)
    accepted = [canceled for canceled in returned(outcomes[0::3]) if canceled]
    expected = (
        JobStatus.COMPLETED if delivered else JobStatus.CANCELED if accepted else JobStatus.FAILED
    )
    assert raised(outcomes) == []
    assert receipt(ended) == (expected, *((40, 0) if delivered else (0, 40)))
    assert all(resolved == ended for resolved in returned([*outcomes[1::3], *outcomes[2::3]]))
    checked_records(job.account)


def test_a_cancel_wins_if_and_only_if_it_was_accepted_before_storing_began(race: Race) -> None:
    job = processing_job()

    outcomes = race.run(lambda worker: cancel(job) if worker % 2 else store_and_complete(job))

    ended = resolve(job)
    in_time = any(canceled and canceled.cancel_wins for canceled in returned(outcomes[1::2]))
    assert receipt(ended) == (
        (JobStatus.CANCELED, 0, 40) if in_time else (JobStatus.COMPLETED, 40, 0)
    )
    assert all(resolved == ended for resolved in returned(outcomes[0::2]))
    assert (ended.storing_at is None) == in_time
    checked_records(job.account)


def test_a_deleted_job_stays_deleted_during_other_changes(race: Race, purged: list[str]) -> None:
    job = processing_job()
    assert leave_open_jobs(job)

    other_changes: list[Callable[[], object]] = [
        partial(resolve, job),
        partial(cancel, job),
        partial(jobs.record_output, job, output(0)),
        partial(jobs.record_storing, job, now=NOON),
        partial(attempts.record_prediction, job, job.attempts[0], "stray", now=NOON),
        partial(jobs.leave_open_jobs, job),
        partial(checks.schedule_check, job.account, job.job_id, NOON),
    ]

    outcomes = race.run(
        lambda worker: delete(job) if worker % 2 else other_changes[worker % len(other_changes)]()
    )

    assert True in outcomes
    assert {type(error) for error in raised(outcomes)} <= {NotFound}
    with pytest.raises(NotFound):
        stored(job)
    records = checked_records(ANN)
    assert (records.account.jobs_total, records.account.in_flight, len(records.entries)) == (
        0,
        0,
        3,
    )
    (mark,) = DeletedRow.query(
        records.account.pk, DeletedRow.sk.startswith("DELETED#"), consistent_read=True
    )
    assert mark.sk == f"DELETED#{job.job_id}"
    assert set(purged) == {job.job_id}


def test_no_job_is_deleted_before_its_end_is_announced(race: Race, purged: list[str]) -> None:
    job = processing_job()

    outcomes = race.run(lambda worker: delete(job) if worker % 2 else leave_open_jobs(job))

    assert {type(error) for error in raised(outcomes)} <= {JobIsOpen, NotFound}
    is_deleted = True in outcomes[1::2]
    assert is_deleted == bool(purged)
    assert [each.job_id for each in checked_records(ANN).jobs] == (
        [] if is_deleted else [job.job_id]
    )
    assert outcomes[0::2].count(True) == 1


def test_the_key_of_a_deleted_job_makes_no_second_job(race: Race, purged: list[str]) -> None:
    held_job()
    job, _ = ledger.hold(image_job(), key=KEY, now=datetime.now(UTC))
    assert leave_open_jobs(job)

    def delete_or_submit(worker: int) -> object:
        return (
            delete(job)
            if worker % 2
            else ledger.hold(image_job(), key=KEY, now=datetime.now(UTC))[0].job_id
        )

    outcomes = race.run(delete_or_submit)

    assert {type(error) for error in raised(outcomes)} <= {NotFound}
    assert set(returned(outcomes[0::2])) <= {job.job_id}
    assert len(checked_records(ANN).entries_of("hold")) == 2
    assert set(purged) == {job.job_id}
