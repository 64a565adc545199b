"""The decisions of recovery, and the failures of jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from darkroom.domain.failures import FailureCode, failure, failure_of_error
from darkroom.domain.jobs import Attempt, Job, JobStatus
from darkroom.domain.recovery import Action, Decision, decide, over_at
from tests.builders import NOON, image_job

JOB = replace(image_job(now=NOON), deadline_at=NOON + timedelta(seconds=300))
OVER_AT = NOON + timedelta(seconds=300 + 15 + 120 + 150)
QUEUE_UNTIL = NOON + timedelta(seconds=3_600)
WAITING = replace(
    JOB, deadline_at=None, queue_until=QUEUE_UNTIL, queue_key="entry", task_token="token"
)
REQUESTED = Attempt(number=1, nonce="n", state_entry="entry", requested_at=NOON, lease_until=NOON)
ABANDONED = replace(REQUESTED, abandoned=True)
CHECK_INTERVAL = timedelta(seconds=60)
RUNNING_CHECK_INTERVAL = timedelta(seconds=120)
FUNCTION_TIMEOUT = timedelta(seconds=150)
MOMENT = timedelta(microseconds=1)


def decision(
    status: JobStatus = JobStatus.PROCESSING,
    *,
    started: bool = True,
    running: bool = True,
    stopped_at: datetime | None = None,
    now: datetime = NOON,
) -> Decision:
    return decide(
        replace(JOB, status=status),
        started=started,
        running=running,
        stopped_at=stopped_at,
        now=now,
    )


def test_a_job_is_overdue_after_its_deadline_one_wait_and_storing() -> None:
    assert over_at(JOB) == OVER_AT


def test_a_job_that_was_not_requested_is_overdue_after_its_time_in_the_queue() -> None:
    assert over_at(WAITING) == QUEUE_UNTIL + timedelta(seconds=60 + 15 + 150)


@pytest.mark.parametrize(
    ("job", "now", "expected"),
    [
        (WAITING, NOON, Decision(Action.CHECK_LATER, QUEUE_UNTIL)),
        (WAITING, QUEUE_UNTIL - MOMENT, Decision(Action.CHECK_LATER, QUEUE_UNTIL)),
        (WAITING, QUEUE_UNTIL, Decision(Action.RESUME, QUEUE_UNTIL + CHECK_INTERVAL)),
        (
            replace(WAITING, task_token=None),
            QUEUE_UNTIL,
            Decision(Action.CHECK_LATER, QUEUE_UNTIL + RUNNING_CHECK_INTERVAL),
        ),
        (
            replace(WAITING, queue_key=None, slot="000"),
            NOON,
            Decision(Action.RESUME, NOON + CHECK_INTERVAL),
        ),
        (
            replace(WAITING, queue_key=None, slot="000", attempts=(ABANDONED,)),
            NOON,
            Decision(Action.RESUME, NOON + CHECK_INTERVAL),
        ),
        (
            replace(WAITING, queue_key=None, slot="000", attempts=(REQUESTED,)),
            NOON,
            Decision(Action.CHECK_LATER, NOON + RUNNING_CHECK_INTERVAL),
        ),
        (
            replace(WAITING, queue_key=None, slot=None),
            NOON,
            Decision(Action.CHECK_LATER, NOON + RUNNING_CHECK_INTERVAL),
        ),
    ],
    ids=[
        "waits",
        "waits a moment less",
        "too long",
        "without a token",
        "has a slot",
        "has a slot after a pause",
        "has requested",
        "enters",
    ],
)
def test_a_waiting_job_is_resumed_at_queue_until_or_with_a_slot(
    job: Job, now: datetime, expected: Decision
) -> None:
    assert decide(job, started=True, running=True, stopped_at=None, now=now) == expected


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED])
@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("started", [True, False])
def test_a_final_job_is_announced_in_any_state_of_its_execution(
    status: JobStatus, running: bool, started: bool
) -> None:
    assert decision(status, started=started, running=running) == Decision(
        Action.END, NOON + CHECK_INTERVAL
    )


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PROCESSING])
@pytest.mark.parametrize(
    ("execution", "now", "expected"),
    [
        ({"started": False, "running": False}, NOON, Decision(Action.START, NOON + CHECK_INTERVAL)),
        (
            {"started": False, "running": False},
            OVER_AT - MOMENT,
            Decision(Action.START, OVER_AT - MOMENT + CHECK_INTERVAL),
        ),
        (
            {"started": False, "running": False},
            OVER_AT,
            Decision(Action.END, OVER_AT + CHECK_INTERVAL),
        ),
        ({}, NOON, Decision(Action.CHECK_LATER, NOON + RUNNING_CHECK_INTERVAL)),
        ({}, OVER_AT - MOMENT, Decision(Action.CHECK_LATER, OVER_AT)),
        ({}, OVER_AT, Decision(Action.STOP, OVER_AT + CHECK_INTERVAL)),
        (
            {"running": False, "stopped_at": NOON},
            NOON,
            Decision(Action.CHECK_LATER, NOON + FUNCTION_TIMEOUT),
        ),
        (
            {"running": False, "stopped_at": NOON},
            NOON + FUNCTION_TIMEOUT - MOMENT,
            Decision(Action.CHECK_LATER, NOON + FUNCTION_TIMEOUT),
        ),
        (
            {"running": False, "stopped_at": NOON},
            NOON + FUNCTION_TIMEOUT,
            Decision(Action.END, NOON + FUNCTION_TIMEOUT + CHECK_INTERVAL),
        ),
        (
            {"running": False, "stopped_at": None},
            NOON,
            Decision(Action.CHECK_LATER, NOON + FUNCTION_TIMEOUT),
        ),
    ],
)
def test_the_action_on_an_open_job_depends_on_its_execution(
    status: JobStatus, execution: dict[str, object], now: datetime, expected: Decision
) -> None:
    assert decision(status, now=now, **execution) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("token", "action"), [("token", Action.RESUME), (None, Action.CHECK_LATER)]
)
def test_only_a_waiting_execution_is_resumed_after_a_cancel(
    token: str | None, action: Action
) -> None:
    canceled = replace(JOB, cancel_requested_at=NOON, task_token=token)

    assert decide(canceled, started=True, running=True, stopped_at=None, now=NOON).action is action


class TestFailures:
    def test_every_failure_code_has_a_message_for_the_user(self) -> None:
        without = [code for code in FailureCode if not failure(code).message.endswith(".")]

        assert not without
        assert all(failure(code, "its own").message == "its own" for code in FailureCode)

    def test_every_message_tells_that_nothing_was_charged(self) -> None:
        silent = [
            code for code in FailureCode if "Nothing was charged" not in failure(code).message
        ]

        assert not silent

    def test_a_second_job_cannot_change_the_type_of_the_output(self) -> None:
        rejected = failure(FailureCode.OUTPUT_REJECTED)

        assert (rejected.is_fault, rejected.retryable) == (True, False)

    def test_failures_caused_by_the_user_are_neither_faults_nor_retryable(self) -> None:
        of_the_user = {FailureCode.REFUSED, FailureCode.INVALID_INPUT, FailureCode.CANCELED}

        assert {code for code in FailureCode if not failure(code).is_fault} == of_the_user
        assert {code for code in FailureCode if not failure(code).retryable} == {
            *of_the_user,
            FailureCode.MODEL_UNAVAILABLE,
            FailureCode.OUTPUT_HOST_REFUSED,
            FailureCode.OUTPUT_REJECTED,
        }

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("ProviderUnavailable", FailureCode.PROVIDER_UNAVAILABLE),
            ("OutputUnavailable", FailureCode.OUTPUT_UNAVAILABLE),
            ("States.Timeout", FailureCode.INTERNAL),
            ("GenerationFailed", FailureCode.INTERNAL),
            ("", FailureCode.INTERNAL),
        ],
    )
    def test_the_failure_for_an_error_without_a_recorded_reason(
        self, name: str, code: FailureCode
    ) -> None:
        assert failure_of_error(name) == failure(code)
