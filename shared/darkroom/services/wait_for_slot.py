"""Workflow state WaitForSlot: put the job in the provider's queue and store the task token.

The state waits until the job gets a slot, is canceled, or its time in the queue is over. It polls
nothing. Every exit leads to RequestPrediction, which reads the job again.
"""

from __future__ import annotations

import random
import time

from darkroom import clock
from darkroom.aws import step_functions
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import DarkroomError
from darkroom.domain.jobs import Job
from darkroom.observability import logger
from darkroom.services.dispatch import dispatch
from darkroom.storage import jobs, provider_queue

_TRIES_MAX = 8
_BACKOFF_SECONDS = 0.05


class QueueConflict(DarkroomError):
    """Other writes defeated every try to enter the queue. The workflow retries the state."""


def wait_for_slot(account: AccountId, job_id: str, *, task_token: str, state_entry: str) -> None:
    """Put the job in the queue, or keep its place, and store the task token.

    Then look for a free slot once more: a slot may have become free before the job was in the
    queue. Resumes the workflow at once if the job need not wait. Raises NotFound and QueueConflict.
    """
    logger.append_keys(job_id=job_id)
    job = jobs.read(account, job_id)
    for attempt in range(_TRIES_MAX):
        if must_not_wait(job):
            step_functions.resume(task_token)
            return
        if enter_queue(job, task_token, state_entry):
            dispatch(job.model_input.provider)
            return
        # Several jobs of one account may enter at the same time, and all of them update its flow.
        time.sleep(random.uniform(0, _BACKOFF_SECONDS * 2**attempt))  # noqa: S311 (jitter)
        job = jobs.read(account, job_id)
        if job.state_entry and job.state_entry > state_entry:
            logger.info("a later state entry has stored its token")
            return
    raise QueueConflict(job_id)


def enter_queue(job: Job, task_token: str, state_entry: str) -> bool:
    """Create the job's queue entry, or keep it. Return False if the job has changed."""
    if job.queue_key:
        return provider_queue.renew_token(job, task_token, state_entry)
    return provider_queue.enqueue(job, task_token, state_entry, now=clock.now())


def must_not_wait(job: Job) -> bool:
    """Return whether RequestPrediction must read the job again instead of waiting."""
    return bool(
        job.status.is_final or job.slot or job.cancel_wins or clock.now() >= job.queue_until
    )
