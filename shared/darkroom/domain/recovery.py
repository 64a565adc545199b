"""Decides what recovery does about an open job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from darkroom.domain.jobs import STORING_SECONDS_MAX, Job

# The longest time-out of a function. This long after an execution was stopped, none of its invocations can still write to the job.
FUNCTION_TIMEOUT_SECONDS_MAX = 150
CHECK_INTERVAL_SECONDS = 60
# An execution that an operator stopped sends no event, so running jobs are checked at this interval.
RUNNING_CHECK_INTERVAL_SECONDS = 120


class Action(Enum):
    """What recovery does about a job."""

    START = auto()
    CHECK_LATER = auto()
    RESUME = auto()
    STOP = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and when to check the job again if it is still open."""

    action: Action
    next_check_at: datetime


def over_at(job: Job) -> datetime:
    """Return when a running job must have ended: after its deadline, one wait, and storing with its last try."""
    return job.deadline_at + timedelta(
        seconds=job.wait_seconds + STORING_SECONDS_MAX + FUNCTION_TIMEOUT_SECONDS_MAX
    )


def running_check_at(job: Job, now: datetime) -> datetime:
    """Return when to check a job whose execution runs."""
    return min(over_at(job), now + timedelta(seconds=RUNNING_CHECK_INTERVAL_SECONDS))


def decide(
    job: Job, *, started: bool, running: bool, stopped_at: datetime | None, now: datetime
) -> Decision:
    """Decide about a job from its record and the state of its execution.

    - Final but not announced: END, which announces it.
    - Never started: START, or END after `over_at`.
    - Running after `over_at`: STOP.
    - Waiting although a cancel was requested: RESUME.
    - Execution ended, job still open: END, but only after FUNCTION_TIMEOUT_SECONDS_MAX.
    """
    soon = now + timedelta(seconds=CHECK_INTERVAL_SECONDS)
    if job.status.is_final:
        return Decision(Action.END, soon)
    if not started:
        return Decision(Action.END if now >= over_at(job) else Action.START, soon)
    if running:
        if now >= over_at(job):
            return Decision(Action.STOP, soon)
        waits_after_cancel = job.cancel_wins and job.task_token is not None
        return (
            Decision(Action.RESUME, soon)
            if waits_after_cancel
            else Decision(Action.CHECK_LATER, running_check_at(job, now))
        )
    quiet_at = (stopped_at or now) + timedelta(seconds=FUNCTION_TIMEOUT_SECONDS_MAX)
    return Decision(Action.END, soon) if now >= quiet_at else Decision(Action.CHECK_LATER, quiet_at)
