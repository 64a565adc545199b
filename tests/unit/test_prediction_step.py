"""The decisions of RequestPrediction, as tables: job, observation and time, and the action."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest

from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Attempt, Job, state_entry_name
from darkroom.domain.prediction_step import (
    Act,
    Action,
    Busy,
    CloseAttempt,
    CreateResponse,
    Event,
    Fail,
    Observation,
    Poll,
    Wait,
    next_action,
)
from darkroom.domain.predictions import Prediction, PredictionStatus
from tests.builders import NOON, image_job

ENTRY, NEXT_ENTRY = state_entry_name(NOON, 0), state_entry_name(NOON + timedelta(minutes=1), 0)
DEADLINE = NOON + timedelta(minutes=5)
LEASE_UNTIL = NOON + timedelta(seconds=210)
MOMENT = timedelta(microseconds=1)
RUNNING = Prediction("p1", PredictionStatus.RUNNING)
SUCCEEDED = Prediction("p1", PredictionStatus.SUCCEEDED, ("https://replicate.delivery/0.png",))
FAILED = Prediction("p1", PredictionStatus.FAILED, failure=failure(FailureCode.REFUSED))
INTERRUPTED = Prediction(
    "p1", PredictionStatus.FAILED, failure=failure(FailureCode.PREDICTION_FAILED), retryable=True
)
BUSY = Busy(7.0)


def attempt(**fields: Any) -> Attempt:
    first = Attempt(
        number=1, nonce="n", state_entry=ENTRY, requested_at=NOON, lease_until=LEASE_UNTIL
    )
    return replace(first, **fields)


def job(*attempts: Attempt, **fields: Any) -> Job:
    """Return a job whose first request was at noon. Its time in the queue is over at noon."""
    known = {"deadline_at": DEADLINE, "queue_until": NOON, **fields}
    return replace(image_job(now=NOON), attempts=attempts, **known)


FRESH = job(deadline_at=None, queue_until=DEADLINE)
REFUSED = job(attempt(abandoned=True), deadline_at=None, queue_until=DEADLINE)
REQUESTED = job(attempt())
ABANDONED = job(attempt(abandoned=True))
PAUSED_WAIT = Wait(60.0, has_jitter=True)
KNOWN = job(attempt(prediction_id="p1"))
SECOND = job(attempt(prediction_id="p0", finished_at=NOON), attempt(number=2, prediction_id="p1"))
CLOSED = job(attempt(prediction_id="p1", finished_at=NOON))
CANCELED = job(cancel_requested_at=NOON)
CANCELED_TOO_LATE = job(attempt(prediction_id="p1"), cancel_requested_at=NOON, storing_at=NOON)
QUEUE_TIMEOUT = Fail(FailureCode.QUEUE_TIMEOUT)
UNAVAILABLE, OVERDUE = Fail(FailureCode.PROVIDER_UNAVAILABLE), Fail(FailureCode.DEADLINE_EXCEEDED)

IN_TIME: list[tuple[str, Job, Observation, Action]] = [
    ("nothing was requested", FRESH, Event.ENTERED, Act.CREATE),
    ("the only request created nothing", ABANDONED, Event.ENTERED, Act.CREATE),
    ("a request is unanswered", REQUESTED, Event.ENTERED, Act.FIND),
    ("the prediction is known", KNOWN, Event.ENTERED, Poll("p1")),
    ("a cancel was requested before storing", CANCELED, Event.ENTERED, Fail(FailureCode.CANCELED)),
    ("a cancel was requested too late", CANCELED_TOO_LATE, Event.ENTERED, Poll("p1")),
    ("the prediction runs, and its provider sends webhooks", KNOWN, RUNNING, Act.SLEEP),
    ("the created prediction runs", FRESH, CreateResponse(RUNNING), Act.SLEEP),
    ("the created prediction has ended", FRESH, CreateResponse(SUCCEEDED), Act.RESUME),
    ("the created prediction was interrupted", FRESH, CreateResponse(INTERRUPTED), Act.RESUME),
    (
        "the second created prediction was interrupted",
        CLOSED,
        CreateResponse(INTERRUPTED),
        Act.RESUME,
    ),
    ("the prediction succeeded", KNOWN, SUCCEEDED, Act.RESUME),
    ("the prediction failed and must not be retried", KNOWN, FAILED, Act.RESUME),
    ("the first prediction was interrupted", KNOWN, INTERRUPTED, CloseAttempt("p1")),
    ("the second prediction was interrupted", SECOND, INTERRUPTED, Act.RESUME),
    ("the interrupted attempt is closed", CLOSED, Event.ATTEMPT_CLOSED, Act.CREATE),
    ("the poll got no response", KNOWN, Event.POLL_UNANSWERED, Wait(5.0)),
    ("the create got no response", FRESH, Event.CREATE_UNANSWERED, Wait(1.0)),
    ("one of several outputs is finished", FRESH, Event.OUTPUT_FINISHED, Wait(0)),
    ("another invocation has the lease", REQUESTED, Event.LEASE_TAKEN, Act.SLEEP),
    ("the provider is busy", FRESH, BUSY, Wait(7.0, has_jitter=True)),
    ("no slot was free", FRESH, Event.QUEUE_FULL, Act.WAIT_FOR_SLOT),
    ("paused before the first request", FRESH, Event.PROVIDER_PAUSED, Act.RETURN_SLOT),
    ("paused after a refused request", REFUSED, Event.PROVIDER_PAUSED, Act.RETURN_SLOT),
    ("paused while the deadline runs", REQUESTED, Event.PROVIDER_PAUSED, PAUSED_WAIT),
    ("paused before a second prediction", CLOSED, Event.PROVIDER_PAUSED, PAUSED_WAIT),
]
LATE: list[tuple[str, Job, Observation, Action]] = [
    ("nothing was requested", FRESH, Event.ENTERED, QUEUE_TIMEOUT),
    ("the provider has accepted nothing", REFUSED, Event.ENTERED, QUEUE_TIMEOUT),
    ("no slot was free", FRESH, Event.QUEUE_FULL, Act.WAIT_FOR_SLOT),
    ("the only request created nothing", ABANDONED, Event.ENTERED, UNAVAILABLE),
    ("a request is unanswered", REQUESTED, Event.ENTERED, Act.FIND),
    ("nothing was found", REQUESTED, Event.NOT_FOUND, UNAVAILABLE),
    ("the prediction is known", KNOWN, Event.ENTERED, Poll("p1")),
    ("the prediction still runs", KNOWN, RUNNING, OVERDUE),
    ("the prediction succeeded", KNOWN, SUCCEEDED, Act.RESUME),
    ("the prediction was interrupted", KNOWN, INTERRUPTED, Act.RESUME),
    ("the poll got no response", KNOWN, Event.POLL_UNANSWERED, UNAVAILABLE),
    ("the create got no response", FRESH, Event.CREATE_UNANSWERED, Wait(1.0)),
    ("the provider is busy at the first request", REFUSED, BUSY, QUEUE_TIMEOUT),
    ("the provider is busy at a later request", REQUESTED, BUSY, UNAVAILABLE),
    ("paused before the first request", REFUSED, Event.PROVIDER_PAUSED, QUEUE_TIMEOUT),
    ("paused while the deadline runs", REQUESTED, Event.PROVIDER_PAUSED, UNAVAILABLE),
]


def decide(
    job: Job, seen: Observation, *, now: datetime, webhooks: bool = True, entry: str = NEXT_ENTRY
) -> Action:
    return next_action(job, seen, state_entry=entry, receives_webhooks=webhooks, now=now)


@pytest.mark.parametrize(
    ("case", "job", "seen", "action"), IN_TIME, ids=[row[0] for row in IN_TIME]
)
def test_decisions_before_the_deadline(
    case: str, job: Job, seen: Observation, action: Action
) -> None:
    assert decide(job, seen, now=DEADLINE - timedelta(seconds=10)) == action


@pytest.mark.parametrize(("case", "job", "seen", "action"), LATE, ids=[row[0] for row in LATE])
def test_no_prediction_is_requested_after_the_deadline(
    case: str, job: Job, seen: Observation, action: Action
) -> None:
    assert decide(job, seen, now=DEADLINE) == action


@pytest.mark.parametrize(
    ("entry", "now", "seen", "action"),
    [
        (ENTRY, LEASE_UNTIL, Event.NOT_FOUND, Wait(5.0)),
        (NEXT_ENTRY, LEASE_UNTIL - MOMENT, Event.NOT_FOUND, Wait(5.0)),
        (NEXT_ENTRY, LEASE_UNTIL, Event.NOT_FOUND, Act.CREATE),
        (NEXT_ENTRY, LEASE_UNTIL - MOMENT, Event.LOOKUP_UNSUPPORTED, Wait(5.0)),
        (NEXT_ENTRY, LEASE_UNTIL, Event.LOOKUP_UNSUPPORTED, UNAVAILABLE),
    ],
)
def test_no_second_request_while_the_first_may_create_a_prediction(
    entry: str, now: datetime, seen: Event, action: Action
) -> None:
    assert decide(REQUESTED, seen, entry=entry, now=now) == action


@pytest.mark.parametrize(("elapsed_seconds", "wait_seconds"), [(0, 5), (40, 10), (200, 30)])
def test_a_running_prediction_without_webhooks_is_polled(
    elapsed_seconds: int, wait_seconds: float
) -> None:
    assert decide(
        KNOWN, RUNNING, webhooks=False, now=NOON + timedelta(seconds=elapsed_seconds)
    ) == Wait(wait_seconds)


def test_a_job_with_a_known_prediction_requests_no_other() -> None:
    seen: list[Observation] = [*Event, RUNNING, SUCCEEDED, FAILED, BUSY]
    actions = {
        decide(KNOWN, each, now=now, webhooks=webhooks)
        for each, now, webhooks in product(seen, (NOON, LEASE_UNTIL, DEADLINE), (True, False))
        if each not in (Event.ATTEMPT_CLOSED, Event.NOT_FOUND)
    }

    assert Act.CREATE not in actions
