"""A job whose prediction was requested."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from darkroom.domain.jobs import Job
from darkroom.storage import attempts, jobs
from tests.builders import held_job, stored
from tests.integration.webhook.signed_webhooks import LEASE, SECRET, put_secret


@pytest.fixture
def job() -> Job:
    """A job with a task token and an attempt. The stored webhook secret is SECRET."""
    put_secret(SECRET)
    job, now = held_job(), datetime.now(UTC)
    assert jobs.store_task_token(job, "token-of-the-entry", "entry", next_check_at=now)
    assert attempts.begin_attempt(job, "entry", lease_until=now + LEASE, now=now)
    return stored(job)
