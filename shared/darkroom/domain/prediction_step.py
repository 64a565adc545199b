"""The decisions of the workflow state RequestPrediction.

An invocation observes, calls `next_action`, acts, and observes again. The decisions depend on the
job, the observation and the time only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import Job, is_same_state_entry
from darkroom.domain.predictions import Prediction, PredictionStatus, may_retry, poll_seconds
from darkroom.domain.provider_errors import UNKNOWN_SECONDS
from darkroom.domain.recovery import FUNCTION_TIMEOUT_SECONDS_MAX

RECHECK_SECONDS = 5.0
PAUSED_SECONDS = 60.0
# During the lease, a delayed invocation may still send its request, or the provider may not list
# the prediction of a sent request yet.
LEASE_SECONDS = FUNCTION_TIMEOUT_SECONDS_MAX + UNKNOWN_SECONDS
_AFTER_LOST_RESPONSE_SECONDS = 1.0


class Event(Enum):
    """An observation without details."""

    ENTERED = auto()
    """The invocation has begun. It has not called the provider."""
    NOT_FOUND = auto()
    """The provider has no prediction of the attempt."""
    LOOKUP_UNSUPPORTED = auto()
    """The provider offers no way to find a prediction of the attempt."""
    POLL_UNANSWERED = auto()
    """The poll got no response. The status of the prediction is unknown."""
    CREATE_UNANSWERED = auto()
    """The create request got no response. It may have created a prediction."""
    OUTPUT_FINISHED = auto()
    """The create request made one of several outputs. The next one needs another request."""
    ATTEMPT_CLOSED = auto()
    """The attempt's prediction was interrupted, and the attempt is closed."""
    QUEUE_FULL = auto()
    """All provider slots are in use, other jobs come first, or the provider is paused."""
    PROVIDER_PAUSED = auto()
    """The provider is paused, and the job holds a slot. No request was sent."""
    LEASE_TAKEN = auto()
    """Another invocation holds the lease of the attempt, and requests the prediction."""


@dataclass(frozen=True, slots=True)
class Busy:
    """The provider is busy. Nothing was created."""

    retry_after_seconds: float


@dataclass(frozen=True, slots=True)
class CreateResponse:
    """The create request returned this prediction.

    If the prediction has already ended, StoreOutput decides about a retry.
    """

    prediction: Prediction


type Observation = Event | Busy | CreateResponse | Prediction


@dataclass(frozen=True, slots=True)
class Poll:
    """Read the status of the attempt's prediction from the provider."""

    prediction_id: str


@dataclass(frozen=True, slots=True)
class CloseAttempt:
    """Record that the attempt's prediction was interrupted. Then the next attempt may begin."""

    prediction_id: str


class Act(Enum):
    """An action without details."""

    FIND = auto()
    """Search for a prediction that the attempt's unanswered request may have created."""
    CREATE = auto()
    """Acquire a slot, record an attempt, and request a prediction."""
    RESUME = auto()
    """Resume the workflow: the prediction has ended, and StoreOutput reads it."""
    RETURN_SLOT = auto()
    """Give the slot back, and put the job in the queue, where it was before."""
    WAIT_FOR_SLOT = auto()
    """Make the workflow wait in the provider's queue, then enter the state again."""
    SLEEP = auto()
    """Do nothing more. A webhook or the state's timeout follows."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Make the workflow wait, then enter the state again.

    Jitter spreads the requests of many jobs.
    """

    seconds: float
    has_jitter: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """End the job without a result."""

    code: FailureCode


type Action = Poll | CloseAttempt | Act | Wait | Fail


def next_action(  # noqa: C901, PLR0911, PLR0912 (one case for each observation)
    job: Job, seen: Observation, *, state_entry: str, receives_webhooks: bool, now: datetime
) -> Action:
    """Decide what to do after an observation.

    A job that the provider has not accepted until `queue_until` fails. After the deadline, the job
    requests no prediction and fails if its prediction still runs. A prediction that has ended is
    always read, because it may have ended before the deadline.
    """
    match seen:
        case Event.ENTERED:
            return _first_action(job, now=now)
        case CreateResponse(prediction):
            return _follow(job, prediction, receives_webhooks=receives_webhooks, now=now)
        case Prediction() if may_retry(job, seen, now=now):
            return CloseAttempt(seen.prediction_id)
        case Prediction():
            return _follow(job, seen, receives_webhooks=receives_webhooks, now=now)
        case Event.NOT_FOUND | Event.LOOKUP_UNSUPPORTED:
            return _after_lookup(job, seen, state_entry=state_entry, now=now)
        case Event.POLL_UNANSWERED:
            late = _late(job, now)
            return Fail(late) if late else Wait(RECHECK_SECONDS)
        case Event.CREATE_UNANSWERED:
            return Wait(_AFTER_LOST_RESPONSE_SECONDS)
        case Event.OUTPUT_FINISHED:
            return Wait(0)
        case Event.ATTEMPT_CLOSED:
            return _create(job, now=now)
        case Event.QUEUE_FULL:
            return Act.WAIT_FOR_SLOT
        case Event.PROVIDER_PAUSED:
            return _while_paused(job, now)
        case Event.LEASE_TAKEN:
            return Act.SLEEP
        case Busy(seconds):
            late = _late(job, now)
            return Fail(late) if late else Wait(seconds, has_jitter=True)


def _first_action(job: Job, *, now: datetime) -> Action:
    if job.cancel_wins:
        return Fail(FailureCode.CANCELED)
    attempt = job.attempt
    if attempt and attempt.prediction_id:
        return Poll(attempt.prediction_id)
    if attempt and not attempt.abandoned:
        return Act.FIND
    return _create(job, now=now)


def _follow(job: Job, prediction: Prediction, *, receives_webhooks: bool, now: datetime) -> Action:
    if prediction.status is not PredictionStatus.RUNNING:
        return Act.RESUME
    if job.deadline_at and now >= job.deadline_at:
        return Fail(FailureCode.DEADLINE_EXCEEDED)
    if receives_webhooks:
        return Act.SLEEP
    requested_at = job.attempt.requested_at if job.attempt else now
    return Wait(poll_seconds(now - requested_at))


def _after_lookup(job: Job, seen: Event, *, state_entry: str, now: datetime) -> Action:
    """Decide about an attempt whose prediction was not found.

    Until the lease ends, the provider may still list the prediction, so the job waits. A retry of
    the same state entry also waits.
    """
    attempt = job.attempt
    if attempt and (
        is_same_state_entry(attempt.state_entry, state_entry) or now < attempt.lease_until
    ):
        return Wait(RECHECK_SECONDS)
    if seen is Event.LOOKUP_UNSUPPORTED:
        # A second request could create a second paid prediction.
        return Fail(FailureCode.PROVIDER_UNAVAILABLE)
    return _create(job, now=now)


def _create(job: Job, *, now: datetime) -> Action:
    late = _late(job, now)
    return Fail(late) if late else Act.CREATE


def _while_paused(job: Job, now: datetime) -> Action:
    """Decide about a job that must not request while it holds a slot.

    A job without a deadline waits in the queue. A job with a deadline keeps its slot, because the
    end of the deadline would not wake it in the queue.
    """
    if late := _late(job, now):
        return Fail(late)
    return Act.RETURN_SLOT if job.deadline_at is None else Wait(PAUSED_SECONDS, has_jitter=True)


def _late(job: Job, now: datetime) -> FailureCode | None:
    """Return the failure of a job whose time is over, or None.

    A job that the provider has not accepted has no deadline, but a time until which it may wait.
    """
    if job.deadline_at is None or not job.attempts:
        return FailureCode.QUEUE_TIMEOUT if now >= job.queue_until else None
    return FailureCode.PROVIDER_UNAVAILABLE if now >= job.deadline_at else None
