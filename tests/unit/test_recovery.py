from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from darkroom.domain.failures import FailureCode, failure, failure_of_error
from darkroom.domain.jobs import JobStatus
from darkroom.domain.recovery import Action, Decision, decide, over_at
from tests.builders import NOON, image_job

JOB = image_job(now=NOON)
OVER_AT = NOON + timedelta(seconds=300 + 15 + 120 + 150)
SOON = timedelta(seconds=60)
NOW_AND_THEN = timedelta(seconds=120)
QUIET = timedelta(seconds=150)
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


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED])
@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("started", [True, False])
def test_what_is_final_is_announced_whatever_its_execution_does(
    status: JobStatus, running: bool, started: bool
) -> None:
    assert decision(status, started=started, running=running) == Decision(Action.END, NOON + SOON)


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PROCESSING])
@pytest.mark.parametrize(
    ("execution", "now", "expected"),
    [
        ({"started": False, "running": False}, NOON, Decision(Action.START, NOON + SOON)),
        (
            {"started": False, "running": False},
            OVER_AT - MOMENT,
            Decision(Action.START, OVER_AT - MOMENT + SOON),
        ),
        ({"started": False, "running": False}, OVER_AT, Decision(Action.END, OVER_AT + SOON)),
        ({}, NOON, Decision(Action.CHECK_LATER, NOON + NOW_AND_THEN)),
        ({}, OVER_AT - MOMENT, Decision(Action.CHECK_LATER, OVER_AT)),
        ({}, OVER_AT, Decision(Action.STOP, OVER_AT + SOON)),
        ({"running": False, "stopped_at": NOON}, NOON, Decision(Action.CHECK_LATER, NOON + QUIET)),
        (
            {"running": False, "stopped_at": NOON},
            NOON + QUIET - MOMENT,
            Decision(Action.CHECK_LATER, NOON + QUIET),
        ),
        (
            {"running": False, "stopped_at": NOON},
            NOON + QUIET,
            Decision(Action.END, NOON + QUIET + SOON),
        ),
        ({"running": False, "stopped_at": None}, NOON, Decision(Action.CHECK_LATER, NOON + QUIET)),
    ],
)
def test_an_open_job_is_decided_by_its_execution(
    status: JobStatus, execution: dict[str, object], now: datetime, expected: Decision
) -> None:
    assert decision(status, now=now, **execution) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("token", "action"), [("token", Action.RESUME), (None, Action.CHECK_LATER)]
)
def test_only_a_sleeping_execution_is_resumed_for_a_cancel(
    token: str | None, action: Action
) -> None:
    canceled = replace(JOB, cancel_requested_at=NOON, task_token=token)

    assert decide(canceled, started=True, running=True, stopped_at=None, now=NOON).action is action


class TestFailures:
    @pytest.mark.parametrize("code", FailureCode)
    def test_every_code_has_a_message_for_the_user(self, code: FailureCode) -> None:
        assert failure(code).message.endswith(".")
        assert failure(code, "its own").message == "its own"

    def test_what_the_user_did_is_no_fault_and_does_not_help_to_repeat(self) -> None:
        of_the_user = {FailureCode.REFUSED, FailureCode.INVALID_INPUT, FailureCode.CANCELED}

        assert {code for code in FailureCode if not failure(code).is_fault} == of_the_user
        assert {code for code in FailureCode if not failure(code).retryable} == of_the_user

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("ProviderUnavailable", FailureCode.PROVIDER_UNAVAILABLE), ("OutputUnavailable", FailureCode.OUTPUT_UNAVAILABLE),
            ("States.Timeout", FailureCode.INTERNAL), ("GenerationFailed", FailureCode.INTERNAL), ("", FailureCode.INTERNAL),
        ],
    )  # fmt: skip
    def test_an_error_without_a_reason_becomes_one(self, name: str, code: FailureCode) -> None:
        assert failure_of_error(name) == failure(code)
