"""32 threads change the same job: one invocation wins, and no record is lost or stored twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Attempt, Decoding, Job, JobStatus, Output
from darkroom.storage import attempts, jobs, ledger
from tests.builders import NOON, held_job, stored
from tests.simulation.account_records import checked_records
from tests.simulation.race import THREADS, Race, raised, returned

pytest_plugins = ["tests.simulation.dynamodb_local_fixtures"]

LEASE = timedelta(seconds=70)
LATER = NOON + LEASE


def begin(job: Job) -> Attempt | None:
    return attempts.begin_attempt(job, "entry", lease_until=LATER, now=NOON)


def retry(job: Job, attempt: Attempt) -> Attempt | None:
    """Retry the attempt as soon as its lease is over."""
    return attempts.retry_attempt(job, attempt, "next entry", lease_until=LATER + LEASE, now=LATER)


def job_with_attempt() -> tuple[Job, Attempt]:
    """Return a job with its first attempt."""
    job = held_job(num_outputs=4)
    attempt = begin(job)
    assert attempt
    return job, attempt


def output(number: int, name: str = "") -> Output:
    return Output(
        number=number,
        key=f"media/{number}{name}.webp",
        content_type="image/webp",
        bytes=1,
        width=1,
        height=1,
    )


def test_the_task_token_of_the_latest_state_entry_is_stored(race: Race) -> None:
    job = held_job()

    outcomes = race.run(
        lambda worker: jobs.store_task_token(
            job, f"token {worker:02}", f"entry {worker:02}", next_check_at=NOON
        )
    )

    assert stored(job).task_token == f"token {THREADS - 1}"
    assert stored(job).revision == sum(each is not None for each in returned(outcomes))


def test_one_invocation_begins_an_attempt(race: Race) -> None:
    job = held_job()

    outcomes = race.run(lambda _: begin(job))

    (attempt,) = filter(None, returned(outcomes))
    assert stored(job).attempts == (attempt,)


def test_one_invocation_retries_an_attempt(race: Race) -> None:
    job, attempt = job_with_attempt()

    outcomes = race.run(lambda _: retry(job, attempt))

    (retried,) = filter(None, returned(outcomes))
    assert stored(job).attempts == (retried,)
    assert (retried.nonce, retried.requests_count) == (attempt.nonce, 2)


def test_one_invocation_begins_the_second_attempt(race: Race) -> None:
    job, first = job_with_attempt()
    assert attempts.record_prediction(job, first, "interrupted", now=NOON)
    job_read = stored(job)

    outcomes = race.run(lambda _: begin(job_read))

    (second,) = filter(None, returned(outcomes))
    assert second.number == 2
    assert [attempt.nonce for attempt in stored(job).attempts] == [first.nonce, second.nonce]


def test_only_the_first_prediction_of_an_attempt_is_recorded(race: Race) -> None:
    job, attempt = job_with_attempt()

    outcomes = race.run(
        lambda worker: attempts.record_prediction(job, attempt, f"prediction {worker}", now=NOON)
    )

    assert (outcomes.count(True), outcomes.count(False)) == (1, THREADS - 1)
    recorded = stored(job)
    assert recorded.attempts[0].prediction_id == f"prediction {outcomes.index(True)}"
    assert recorded.status is JobStatus.PROCESSING


def test_an_attempt_with_a_prediction_is_not_retried(race: Race) -> None:
    job, attempt = job_with_attempt()

    def record_or_retry(worker: int) -> object:
        return (
            attempts.record_prediction(job, attempt, "prediction", now=LATER)
            if worker % 2
            else retry(job, attempt)
        )

    outcomes = race.run(record_or_retry)

    # A retry keeps the nonce, so the prediction is recorded before and after a retry.
    assert returned(outcomes[1::2]).count(True) == 1
    recorded = stored(job).attempts[0]
    assert recorded.prediction_id == "prediction"
    assert (
        recorded.requests_count
        == 1 + sum(retried is not None for retried in returned(outcomes[0::2]))
        <= 2
    )
    assert retry(job, recorded) is None


def test_no_output_is_lost_or_stored_twice(race: Race) -> None:
    job = held_job(num_outputs=4)

    def store(worker: int) -> bool:
        """Store one of the four until it is on the record, as a step does."""
        job_read = stored(job)
        while worker % 4 not in {each.number for each in job_read.outputs}:
            if jobs.record_output(job_read, output(worker % 4, f" of {worker}")):
                return True
            job_read = stored(job)
        return False

    outcomes = race.run(store)

    recorded = stored(job).outputs
    assert sorted(each.number for each in recorded) == [0, 1, 2, 3]
    assert {each.key for each in recorded} == {
        output(worker % 4, f" of {worker}").key
        for worker in range(THREADS)
        if outcomes[worker] is True
    }


def test_one_invocation_records_its_decoding(race: Race) -> None:
    job = held_job()
    decodings = [Decoding(0, f"media/0-{worker}.webp") for worker in range(THREADS)]

    outcomes = race.run(lambda worker: jobs.record_decoding(job, decodings[worker]))

    assert outcomes.count(True) == 1
    assert stored(job).decoding == decodings[outcomes.index(True)]


def test_an_object_is_recorded_or_may_be_deleted_and_never_both(race: Race) -> None:
    job = held_job()
    decoding = Decoding(0, output(0).key)
    assert jobs.record_decoding(job, decoding)
    decoded = replace(job, decoding=decoding)

    def deliver_or_discard(worker: int) -> bool:
        if worker % 2:
            return jobs.clear_decoding(decoded, decoding)
        return jobs.record_output(decoded, output(0))

    outcomes = race.run(deliver_or_discard)

    recorded, cleared = outcomes[0::2].count(True), outcomes[1::2].count(True)
    assert (recorded + cleared, len(stored(job).outputs)) == (1, recorded)
    assert stored(job).decoding is None


def test_the_first_failure_reason_remains(race: Race) -> None:
    job = held_job()
    reasons = [
        failure(code)
        for code in (
            FailureCode.REFUSED,
            FailureCode.DEADLINE_EXCEEDED,
            FailureCode.NO_OUTPUT,
            FailureCode.INTERNAL,
        )
    ]

    outcomes = race.run(lambda worker: jobs.record_failure(job, reasons[worker % 4]))

    assert (outcomes.count(True), outcomes.count(False)) == (1, THREADS - 1)
    assert stored(job).failure == reasons[outcomes.index(True) % 4]


@pytest.mark.parametrize("outputs_count", [0, 3])
def test_an_output_recorded_while_a_job_ends_is_charged_or_refused(
    race: Race, outputs_count: int
) -> None:
    job = held_job(num_outputs=4)
    for number in range(outputs_count):
        assert jobs.record_output(stored(job), output(number))
    job_read = stored(job)

    def record_or_end(worker: int) -> object:
        if worker % 2:
            return ledger.resolve(job.account, job.job_id, now=NOON)
        return jobs.record_output(job_read, output(outputs_count, f" of {worker}"))

    outcomes = race.run(record_or_end)

    ended = stored(job)
    assert raised(outcomes) == []
    assert len(ended.outputs) == outputs_count + outcomes[0::2].count(True)
    assert (ended.charged, ended.refunded) == (
        10 * len(ended.outputs),
        40 - 10 * len(ended.outputs),
    )
    assert all(each == ended for each in returned(outcomes[1::2]))
    checked_records(job.account)
