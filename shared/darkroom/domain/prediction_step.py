"""What the workflow state RequestPrediction does next, decided from the job, its attempt and the time alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from darkroom.domain.errors import UNKNOWN_SECONDS
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import Job, is_same_state_entry
from darkroom.domain.predictions import Prediction, PredictionStatus, may_retry, poll_seconds
from darkroom.domain.recovery import FUNCTION_TIMEOUT_SECONDS_MAX

RECHECK_SECONDS = 5.0
# Until its lease ends, an invocation may be held up before its request, and the request's prediction may not show up yet.
LEASE_SECONDS = FUNCTION_TIMEOUT_SECONDS_MAX + UNKNOWN_SECONDS
_AFTER_LOST_RESPONSE_SECONDS = 1.0


class Event(Enum):
    """What happened in this invocation, where it is not a prediction or a wait."""

    ENTERED = auto()
    """The state was entered. Nothing was asked of the provider yet."""
    NOT_FOUND = auto()
    """The provider has no prediction of the attempt."""
    LOOKUP_UNSUPPORTED = auto()
    """The provider offers no way to find a prediction of the attempt."""
    POLL_UNANSWERED = auto()
    """The provider did not say how the prediction is doing."""
    CREATE_UNANSWERED = auto()
    """The create request got no response. It may have created a prediction."""
    ATTEMPT_CLOSED = auto()
    """The attempt's prediction was interrupted, and the attempt is closed."""
    LEASE_TAKEN = auto()
    """Another invocation holds the lease of the attempt, and requests the prediction."""


@dataclass(frozen=True, slots=True)
class Busy:
    """The provider is busy, or all of its slots are taken. Nothing was created."""

    retry_after_seconds: float


@dataclass(frozen=True, slots=True)
class CreateResponse:
    """The create request returned this prediction. When it has ended already, StoreOutput decides what follows."""

    prediction: Prediction


type Observation = Event | Busy | CreateResponse | Prediction


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask the provider how the attempt's prediction is doing."""

    prediction_id: str


@dataclass(frozen=True, slots=True)
class CloseAttempt:
    """Record that the attempt's prediction was interrupted, so that the next attempt may begin."""

    prediction_id: str


class Act(Enum):
    """An action without details."""

    FIND = auto()
    """Look for a prediction that the attempt's unanswered request may have created."""
    CREATE = auto()
    """Acquire a slot, record an attempt, and request a prediction."""
    RESUME = auto()
    """Resume the workflow: the prediction has ended, and StoreOutput reads it."""
    SLEEP = auto()
    """Do nothing: a webhook or the state's time-out comes next."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Have the workflow wait, then enter the state again. Jitter keeps the jobs of a busy provider apart."""

    seconds: float
    has_jitter: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """End the job without a result."""

    code: FailureCode


type Action = Poll | CloseAttempt | Act | Wait | Fail


def next_action(  # noqa: C901, PLR0911 (each observation is one line of a table)
    job: Job, seen: Observation, *, state_entry: str, receives_webhooks: bool, now: datetime
) -> Action:
    """Decide what to do after an observation.

    After the deadline nothing new is requested, and what still runs is given up. A prediction that has ended is always read, because its
    result may have come in time.
    """
    is_late = now >= job.deadline_at
    match seen:
        case Event.ENTERED:
            return _first_action(job, is_late=is_late)
        case CreateResponse(prediction):
            return _follow(job, prediction, receives_webhooks=receives_webhooks, now=now)
        case Prediction() if may_retry(job, seen, now=now):
            return CloseAttempt(seen.prediction_id)
        case Prediction():
            return _follow(job, seen, receives_webhooks=receives_webhooks, now=now)
        case Event.NOT_FOUND | Event.LOOKUP_UNSUPPORTED:
            return _after_lookup(job, seen, state_entry=state_entry, now=now)
        case Event.POLL_UNANSWERED:
            return Fail(FailureCode.PROVIDER_UNAVAILABLE) if is_late else Wait(RECHECK_SECONDS)
        case Event.CREATE_UNANSWERED:
            return Wait(_AFTER_LOST_RESPONSE_SECONDS)
        case Event.ATTEMPT_CLOSED:
            return _create(job, is_late=is_late)
        case Event.LEASE_TAKEN:
            return Act.SLEEP
        case Busy(seconds):
            return (
                Fail(FailureCode.PROVIDER_UNAVAILABLE)
                if is_late
                else Wait(seconds, has_jitter=True)
            )


def _first_action(job: Job, *, is_late: bool) -> Action:
    if job.cancel_wins:
        return Fail(FailureCode.CANCELED)
    attempt = job.attempt
    if attempt and attempt.prediction_id:
        return Poll(attempt.prediction_id)
    if attempt and not attempt.abandoned:
        return Act.FIND
    return _create(job, is_late=is_late)


def _follow(job: Job, prediction: Prediction, *, receives_webhooks: bool, now: datetime) -> Action:
    if prediction.status is not PredictionStatus.RUNNING:
        return Act.RESUME
    if now >= job.deadline_at:
        return Fail(FailureCode.DEADLINE_EXCEEDED)
    if receives_webhooks:
        return Act.SLEEP
    requested_at = job.attempt.requested_at if job.attempt else now
    return Wait(poll_seconds(now - requested_at))


def _after_lookup(job: Job, seen: Event, *, state_entry: str, now: datetime) -> Action:
    """Decide about an attempt whose prediction was not found. Before its lease ends, the prediction may still show up."""
    attempt = job.attempt
    if attempt and (
        is_same_state_entry(attempt.state_entry, state_entry) or now < attempt.lease_until
    ):
        return Wait(RECHECK_SECONDS)
    if seen is Event.LOOKUP_UNSUPPORTED:
        # A second request could create a second paid prediction.
        return Fail(FailureCode.PROVIDER_UNAVAILABLE)
    return _create(job, is_late=now >= job.deadline_at)


def _create(job: Job, *, is_late: bool) -> Action:
    if is_late:
        return Fail(
            FailureCode.PROVIDER_UNAVAILABLE if job.attempt else FailureCode.DEADLINE_EXCEEDED
        )
    return Act.CREATE
