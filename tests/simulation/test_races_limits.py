"""32 threads act for the same account: no limit is exceeded, and no refused act is counted."""

from __future__ import annotations

import pytest

from darkroom.domain.errors import TooManyCancels, TooManyRequests, TooManyUploads
from darkroom.domain.limits import Act
from darkroom.storage import jobs, rate_limits
from darkroom.storage.table import LimitRow
from tests.aws import forget_settings
from tests.builders import ANN, NOON, held_job
from tests.simulation.race import Race, raised, returned

pytest_plugins = ["tests.simulation.dynamodb_local_fixtures"]


def used(act: Act) -> int:
    rows = LimitRow.query("LIMIT#web#ann", LimitRow.sk.startswith(f"{act}#"))
    return sum(int(row.used) for row in rows)


def test_no_more_acts_are_counted_than_the_limit(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUOTES_PER_HOUR_MAX", "13")
    forget_settings()

    outcomes = race.run(lambda _: rate_limits.count(ANN, Act.QUOTES, now=NOON))

    assert len(returned(outcomes)) == used(Act.QUOTES) == 13
    assert {type(error) for error in raised(outcomes)} == {TooManyRequests}


def test_acts_that_belong_together_are_counted_all_or_none(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPLOAD_BYTES_PER_DAY_MAX", "79")
    forget_settings()
    amounts = {Act.UPLOADS: 1, Act.UPLOAD_BYTES: 10}

    outcomes = race.run(lambda _: rate_limits.count_together(ANN, amounts, now=NOON))

    assert len(returned(outcomes)) == used(Act.UPLOADS) == 7
    assert used(Act.UPLOAD_BYTES) == 70
    assert {type(error) for error in raised(outcomes)} == {TooManyUploads}


def test_concurrent_cancels_of_one_job_are_one_cancel(race: Race) -> None:
    job = held_job()

    outcomes = race.run(lambda _: jobs.request_cancel(job, next_check_at=NOON, now=NOON))

    assert len(returned(outcomes)) == len(outcomes)
    assert used(Act.CANCELS) == 1


def test_no_more_jobs_are_canceled_than_the_limit(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANCELS_PER_HOUR_MAX", "5")
    monkeypatch.setenv("JOBS_IN_FLIGHT_MAX", "40")
    forget_settings()
    running = [held_job(credits=1_000) for _ in range(32)]

    outcomes = race.run(
        lambda worker: jobs.request_cancel(running[worker], next_check_at=NOON, now=NOON)
    )

    canceled = [job for job in running if jobs.read(ANN, job.job_id).cancel_requested_at]
    assert len(returned(outcomes)) == len(canceled) == used(Act.CANCELS) == 5
    assert {type(error) for error in raised(outcomes)} == {TooManyCancels}
