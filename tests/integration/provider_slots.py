"""Helpers for the tests of provider slots and of the queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job
from darkroom.storage import ledger, provider_queue, provider_slots
from darkroom.storage.queue_rows import QueueEntryRow
from tests.builders import NOON, held_job, image_job, open_account, stored

PROVIDER = "replicate"


def job_of(user: str) -> Job:
    """Store a job of a user on the platform web."""
    return held_job(account=AccountId("web", user))


def stable_diffusion_job(user: str) -> Job:
    """Store a job of the provider stable_diffusion."""
    job = image_job(account=open_account(100, AccountId("web", user)))
    model_input = replace(job.model_input, provider="stable_diffusion")
    return ledger.hold(replace(job, model_input=model_input), key=None, now=NOON)[0]


def enqueue(job: Job, *, now: datetime = NOON) -> Job:
    """Put a stored job in the queue and return its record."""
    assert provider_queue.enqueue(job, f"token of {job.job_id}", "entry", now=now)
    return stored(job)


def enqueued(user: str) -> Job:
    """Store a job of a user and put it in the queue."""
    return enqueue(job_of(user))


def entries() -> list[QueueEntryRow]:
    """Return the entries of the queue, the first one first."""
    return list(QueueEntryRow.query(f"QUEUE#{PROVIDER}", consistent_read=True))


def holder(job: Job) -> str:
    """Return the holder that a slot or an entry of this job has."""
    return f"{job.account}/{job.job_id}"


def holders() -> set[str]:
    """Return the holders of all slots in use."""
    slots = provider_slots.read_provider(PROVIDER).slots
    return {f"{slot.account}/{slot.job_id}" for slot in slots}
