"""Helpers for the tests of single workflow steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from darkroom import clock
from darkroom.aws import clients
from darkroom.domain.errors import DarkroomError
from darkroom.domain.jobs import Job
from darkroom.storage import checks
from darkroom.storage.job_rows import CheckQueue
from tests.aws import forget_settings

BUCKET = "darkroom-test-media"


def key(job: Job, **more: Any) -> dict[str, Any]:
    """Return the event of a workflow step for this job."""
    return {"account": str(job.account), "job_id": job.job_id, **more}


def at(monkeypatch: pytest.MonkeyPatch, time: datetime) -> None:
    """Stop Darkroom's clock at this time."""
    monkeypatch.setattr(clock, "now", lambda: time)


def with_setting(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    """Set an environment variable and make Darkroom read its settings again."""
    monkeypatch.setenv(name, str(value))
    forget_settings()


def is_open(job: Job) -> bool:
    """Return whether the job is in the queue of open jobs, which recovery checks."""
    return job.job_id in due_job_ids(CheckQueue.OPEN, now=datetime.now(UTC) + timedelta(days=1))


def due_job_ids(queue: CheckQueue, *, now: datetime) -> list[str]:
    """Return the ids of at most 100 jobs whose next check is due, the most overdue first."""
    return [due.job_id for due in checks.due_checks(queue, now=now, limit=100)]


@dataclass
class SentResult:
    """The error that a workflow step sent as its result, with its message."""

    task_token: str = ""
    error: str = ""
    message: str = ""

    @property
    def at(self) -> datetime:
        """The time in the message of RetryLater, in whole seconds."""
        return datetime.fromisoformat(self.message)


@contextmanager
def sends(error: type[DarkroomError]) -> Iterator[SentResult]:
    """Check that the block sends this error to Step Functions, once, as the result of a step."""
    sent: list[SentResult] = []
    result = SentResult()

    def send_task_failure(*, taskToken: str, error: str, cause: str) -> None:  # noqa: N803 (AWS)
        document = json.loads(cause)
        assert document["errorType"] == error
        sent.append(SentResult(taskToken, error, document["errorMessage"]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clients.client("stepfunctions"), "send_task_failure", send_task_failure)
        yield result
    assert [each.error for each in sent] == [error.__name__]
    result.task_token, result.error, result.message = (
        sent[0].task_token,
        sent[0].error,
        sent[0].message,
    )
