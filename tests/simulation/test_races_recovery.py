"""Concurrent recoveries start, stop, end or delete each job once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import pytest

from darkroom import clock
from darkroom.aws import clients
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import NotFound
from darkroom.domain.jobs import Job, JobStatus, Output
from darkroom.media import bucket
from darkroom.observability import metrics
from darkroom.services import delete_job, recover_jobs
from darkroom.services.finish_job import finish
from darkroom.storage import checks, jobs, ledger
from darkroom.storage.job_rows import CheckQueue
from tests.aws import forget_settings
from tests.builders import NOON, held_job, stored
from tests.simulation.account_records import checked_records
from tests.simulation.race import Race, raised

pytest_plugins = ["tests.simulation.dynamodb_local_fixtures"]

LATER = NOON + timedelta(hours=2)


@dataclass
class Services:
    """Step Functions and the event bus, as recovery uses them. Any thread may call them."""

    executions: dict[str, dict[str, Any]] = field(default_factory=dict)
    announced: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)

    def start_execution(self, *, name: str, **_: object) -> None:
        with self.lock:
            if name in self.executions:
                raise clients.client("stepfunctions").exceptions.ExecutionAlreadyExists(
                    {"Error": {}}, "StartExecution"
                )
            self.executions[name] = {"status": "RUNNING"}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803
        with self.lock:
            name = executionArn.rpartition(":")[2]
            if name not in self.executions:
                raise clients.client("stepfunctions").exceptions.ExecutionDoesNotExist(
                    {"Error": {}}, "DescribeExecution"
                )
            return dict(self.executions[name])

    def stop_execution(self, *, executionArn: str, **_: object) -> None:  # noqa: N803
        with self.lock:
            self.executions[executionArn.rpartition(":")[2]] = {
                "status": "ABORTED",
                "stopDate": clock.now(),
            }

    def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, int]:  # noqa: N803
        with self.lock:
            self.announced |= {json.loads(entry["Detail"])["id"] for entry in Entries}
            return {"FailedEntryCount": 0}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    """Step Functions and the event bus. The time is one hour past noon."""
    services = Services()
    for service, operations in {
        "stepfunctions": ("start_execution", "describe_execution", "stop_execution"),
        "events": ("put_events",),
    }.items():
        for operation in operations:
            monkeypatch.setattr(clients.client(service), operation, getattr(services, operation))
    monkeypatch.setattr(clock, "now", lambda: LATER)
    # Powertools' metrics are not thread-safe. In Lambda, invocations of a process never overlap.
    monkeypatch.setattr(metrics, "add_metric", lambda *_: None)
    return services


def job_of(user: str, *, outputs_count: int = 0, now: datetime = NOON) -> Job:
    """Return a job of 4 outputs for 40 credits, with some outputs stored."""
    job = held_job(account=AccountId("web", user), num_outputs=4, now=now)
    for number in range(outputs_count):
        output = Output(
            number=number,
            key=f"media/{number}.webp",
            content_type="image/webp",
            bytes=1,
            width=1,
            height=1,
        )
        assert jobs.record_output(stored(job), output)
    return stored(job)


def resolve(job: Job) -> Job:
    return ledger.resolve(job.account, job.job_id, now=NOON)


def recover(queue: CheckQueue) -> None:
    """Check the due jobs of a queue as recovery does, and raise every error."""
    for due in checks.due_checks(queue, now=LATER, limit=200):
        recover_jobs.check(queue, due, LATER)


def is_due(job: Job, queue: CheckQueue, *, by: datetime) -> bool:
    return job.job_id in [due.job_id for due in checks.due_checks(queue, now=by, limit=200)]


def receipt(job: Job) -> tuple[JobStatus, int, int]:
    ended = stored(job)
    return ended.status, ended.charged, ended.refunded


def test_parallel_recoveries_have_the_effect_of_one(race: Race, services: Services) -> None:
    never_started, overdue = job_of("ann", now=LATER - timedelta(minutes=2)), job_of("bea")
    stopped, half_delivered, unannounced = (
        job_of("cleo"),
        job_of("dora", outputs_count=2),
        resolve(job_of("eve", outputs_count=4)),
    )
    services.executions |= {
        overdue.job_id: {"status": "RUNNING"},
        unannounced.job_id: {"status": "SUCCEEDED", "stopDate": NOON},
    }
    services.executions |= {
        job.job_id: {"status": "ABORTED", "stopDate": NOON} for job in (stopped, half_delivered)
    }

    outcomes = race.run(lambda _: recover(CheckQueue.OPEN))

    assert raised(outcomes) == []
    assert services.executions[never_started.job_id]["status"] == "RUNNING"
    assert services.executions[overdue.job_id]["status"] == "ABORTED"
    assert receipt(never_started) == receipt(overdue) == (JobStatus.PENDING, 0, 0)
    assert receipt(stopped) == (JobStatus.FAILED, 0, 40)
    assert receipt(half_delivered) == (JobStatus.COMPLETED, 20, 20)
    assert receipt(unannounced) == (JobStatus.COMPLETED, 40, 0)
    ended = [stopped, half_delivered, unannounced]
    assert services.announced == {f"{job.job_id}.{stored(job).status}" for job in ended}
    assert not any(is_due(job, CheckQueue.OPEN, by=LATER + timedelta(days=1)) for job in ended)
    for job in (never_started, overdue):
        assert not is_due(job, CheckQueue.OPEN, by=LATER)
        assert is_due(job, CheckQueue.OPEN, by=LATER + timedelta(days=1))
    for job in (never_started, overdue, *ended):
        checked_records(job.account)


def test_recovery_and_the_workflow_end_a_job_once(race: Race, services: Services) -> None:
    job = job_of("ann", outputs_count=3)
    services.executions[job.job_id] = {"status": "ABORTED", "stopDate": NOON}

    outcomes = race.run(
        lambda worker: (
            recover(CheckQueue.OPEN) if worker % 2 else finish(job.account, job.job_id, now=NOON)
        )
    )

    assert raised(outcomes) == []
    assert receipt(job) == (JobStatus.COMPLETED, 30, 10)
    assert services.announced == {f"{job.job_id}.completed"}
    assert not is_due(job, CheckQueue.OPEN, by=LATER + timedelta(days=1))
    checked_records(job.account)


def test_parallel_recoveries_purge_the_media_of_a_deleted_job(
    race: Race, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    purged: list[str] = []
    monkeypatch.setattr(bucket, "delete_all", lambda _, job_id: purged.append(job_id))
    job = job_of("ann")
    assert jobs.leave_open_jobs(resolve(job))
    delete_job.delete(job.account, job.job_id, now=NOON)
    purged.clear()

    outcomes = race.run(lambda _: recover(CheckQueue.ENDED))

    assert raised(outcomes) == []
    assert set(purged) == {job.job_id}
    assert not is_due(job, CheckQueue.ENDED, by=LATER + timedelta(days=1))
    assert checked_records(job.account).account.jobs_total == 0


def test_parallel_recoveries_delete_an_expired_job_once(
    race: Race, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "delete_all", lambda *_: None)
    monkeypatch.setenv("RETENTION_DAYS", "1")
    forget_settings()
    job = job_of("ann", now=NOON - timedelta(days=2))
    assert jobs.leave_open_jobs(
        ledger.resolve(job.account, job.job_id, now=NOON - timedelta(days=2))
    )

    outcomes = race.run(lambda _: recover(CheckQueue.ENDED))

    # A later recovery does not find the job. The handler logs this and continues.
    assert {type(error) for error in raised(outcomes)} <= {NotFound}
    records = checked_records(job.account)
    assert (records.jobs, records.account.jobs_total, len(records.entries)) == ((), 0, 3)
