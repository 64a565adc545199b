"""The decisions of recovery: what to do about an open job, and when its next check is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from darkroom.domain.jobs import STORING_SECONDS_MAX, Job

# The longest timeout of a function, in seconds. After this time, no invocation of a stopped
# execution can still write to the job.
FUNCTION_TIMEOUT_SECONDS_MAX = 150
CHECK_INTERVAL_SECONDS = 60
# An execution that an operator stopped sends no event, so running jobs are checked at this
# interval.
RUNNING_CHECK_INTERVAL_SECONDS = 120


class Action(Enum):
    """An action of recovery on a job and its execution."""

    START = auto()
    CHECK_LATER = auto()
    RESUME = auto()
    STOP = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """The action, and the time of the next check if the job is still open then."""

    action: Action
    next_check_at: datetime


def over_at(job: Job) -> datetime:
    """Return the time after which a running execution is overdue.

    It is the deadline plus one wait for a webhook, the time for storing, and one more invocation.
    A job that was never requested has no deadline: its queue time, one check by recovery, one wait
    and one more invocation count.
    """
    if job.deadline_at is None:
        return job.queue_until + timedelta(
            seconds=CHECK_INTERVAL_SECONDS + job.wait_seconds + FUNCTION_TIMEOUT_SECONDS_MAX
        )
    return job.deadline_at + timedelta(
        seconds=job.wait_seconds + STORING_SECONDS_MAX + FUNCTION_TIMEOUT_SECONDS_MAX
    )


def running_check_at(job: Job, now: datetime) -> datetime:
    """Return the time of the next check of a job whose execution runs.

    A job in the queue is not checked before `queue_until`.
    """
    if job.queue_key and now < job.queue_until:
        return job.queue_until
    return min(over_at(job), now + timedelta(seconds=RUNNING_CHECK_INTERVAL_SECONDS))


def decide(
    job: Job, *, started: bool, running: bool, stopped_at: datetime | None, now: datetime
) -> Decision:
    """Decide about a job from its record and the state of its execution.

    - The job is final but not announced: END, which announces it.
    - The execution never started: START, or END after `over_at`.
    - The execution runs after `over_at`: STOP.
    - The execution waits although a cancel was requested, its time in the queue is over, or the job
      has got a slot: RESUME.
    - The execution runs otherwise: CHECK_LATER.
    - The execution ended and the job is open: CHECK_LATER until FUNCTION_TIMEOUT_SECONDS_MAX
      after `stopped_at`, then END.
    """
    soon = now + timedelta(seconds=CHECK_INTERVAL_SECONDS)
    if job.status.is_final:
        return Decision(Action.END, soon)
    if not started:
        return Decision(Action.END if now >= over_at(job) else Action.START, soon)
    if running:
        if now >= over_at(job):
            return Decision(Action.STOP, soon)
        must_resume = (
            job.cancel_wins
            or (job.queue_key is not None and now >= job.queue_until)
            or (job.slot is not None and (job.attempt is None or job.attempt.abandoned))
        )
        return (
            Decision(Action.RESUME, soon)
            if must_resume and job.task_token
            else Decision(Action.CHECK_LATER, running_check_at(job, now))
        )
    quiet_at = (stopped_at or now) + timedelta(seconds=FUNCTION_TIMEOUT_SECONDS_MAX)
    return Decision(Action.END, soon) if now >= quiet_at else Decision(Action.CHECK_LATER, quiet_at)
