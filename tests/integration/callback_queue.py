"""The callback queue: messages as SQS passes them to notify_client, and their hidden seconds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from darkroom.aws import callback_queue
from darkroom.domain.callback_retries import RECEIVES_MAX
from darkroom.domain.jobs import Job
from tests.aws import CONTEXT, client, handler_of
from tests.integration.steps import at


class CallbackQueue:
    """Passes messages to notify_client in injected time. `dead` has the ids of dead letters."""

    now: datetime

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.hidden_seconds: list[int] = []
        self.dead: list[str] = []
        monkeypatch.setattr(
            callback_queue, "postpone", lambda _, *, seconds: self.hidden_seconds.append(seconds)
        )

    def receive(
        self, job: Job, now: datetime, *, sent_at: datetime | None = None, receives: int = 1
    ) -> bool:
        """Receive the job's message once. Returns whether the message is done."""
        self.now = now
        at(self._monkeypatch, now)
        result = handler_of("notify_client")(
            {"Records": [record_of(job, sent_at=sent_at or now, receives=receives)]}, CONTEXT
        )
        failed: list[Any] = result["batchItemFailures"]
        assert failed in ([], [{"itemIdentifier": "m1"}])
        return not failed

    def run(self, job: Job, sent_at: datetime, *, until: datetime) -> datetime | None:
        """Receive the message until it is done, dead, or `until`. Returns when it was done."""
        now, receives = sent_at, 1
        while now <= until:
            if self.receive(job, now, sent_at=sent_at, receives=receives):
                return now
            if receives == RECEIVES_MAX:
                self.dead.append(job.job_id)
                return None
            now += timedelta(seconds=self.hidden_seconds[-1])
            receives += 1
        return None


def record_of(job: Job, *, sent_at: datetime, receives: int = 1) -> dict[str, Any]:
    """Return the message of a job as SQS passes it. Its event is of release 0.1.0."""
    return {
        "messageId": "m1",
        "body": json.dumps({"detail": {"account": str(job.account), "job_id": job.job_id}}),
        "eventSource": "aws:sqs",
        "receiptHandle": "r",
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": str(int(sent_at.timestamp() * 1000)),
        },
    }


@contextmanager
def queue_in_moto() -> Iterator[str]:
    """Create the queue of CALLBACK_QUEUE_URL. Yields its URL."""
    url = os.environ["CALLBACK_QUEUE_URL"]
    client("sqs").create_queue(QueueName=url.rpartition("/")[2])
    yield url
