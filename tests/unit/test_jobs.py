"""The end of a job, retries of predictions, waits, and the names of state entries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.failures import Failure, FailureCode, failure
from darkroom.domain.jobs import (
    Attempt,
    Job,
    JobStatus,
    Output,
    is_same_state_entry,
    resolution,
    state_entry_name,
    wait_seconds_for,
)
from darkroom.domain.predictions import Prediction, PredictionStatus, may_retry
from tests.builders import NOON, image_job

PROVIDER = failure(FailureCode.PROVIDER_UNAVAILABLE)


def job(*, held: int = 40, outputs_count: int = 4, delivered: int = 0, **more: object) -> Job:
    created = image_job()
    outputs = tuple(
        Output(number=number, key="k", content_type="image/png", bytes=1, width=1, height=1)
        for number in range(delivered)
    )
    return replace(
        created,
        held=held,
        model_input=replace(created.model_input, outputs_count=outputs_count),
        outputs=outputs,
        **more,  # type: ignore[arg-type]
    )


class TestResolution:
    @pytest.mark.parametrize(
        ("held", "outputs_count", "delivered", "charged"),
        [
            (40, 4, 4, 40),
            (40, 4, 3, 30),
            (40, 4, 1, 10),
            (92, 3, 1, 30),
            (92, 3, 2, 61),
            (10, 1, 1, 10),
            (1, 4, 3, 0),
            (23, 4, 5, 23),
        ],
    )
    def test_the_charge_is_the_delivered_share_rounded_down(
        self, held: int, outputs_count: int, delivered: int, charged: int
    ) -> None:
        resolved = resolution(job(held=held, outputs_count=outputs_count, delivered=delivered))

        assert (resolved.status, resolved.charged, resolved.refunded, resolved.failure) == (
            JobStatus.COMPLETED,
            charged,
            held - charged,
            None,
        )

    def test_a_job_without_outputs_is_refunded_in_full(self) -> None:
        resolved = resolution(job(), reason=PROVIDER)

        assert (resolved.status, resolved.charged, resolved.refunded, resolved.failure) == (
            JobStatus.FAILED,
            0,
            40,
            PROVIDER,
        )

    @given(st.integers(0, 10_000), st.integers(1, 10), st.integers(0, 12), st.booleans())
    def test_charge_and_refund_add_up_to_the_hold(
        self, held: int, outputs_count: int, delivered: int, canceled: bool
    ) -> None:
        resolved = resolution(
            job(
                held=held,
                outputs_count=outputs_count,
                delivered=delivered,
                cancel_requested_at=NOON if canceled else None,
            )
        )

        assert resolved.charged + resolved.refunded == held
        assert 0 <= resolved.charged <= held
        assert resolved.status.is_final
        assert (resolved.charged == held) or delivered < outputs_count
        assert (resolved.status is JobStatus.COMPLETED) == (delivered > 0)
        assert (resolved.failure is None) == (resolved.status is JobStatus.COMPLETED)

    def test_outputs_win_over_a_cancel_and_a_cancel_wins_over_a_failure(self) -> None:
        recorded = failure(FailureCode.REFUSED)
        canceled_in_time = {"failure": recorded, "cancel_requested_at": NOON}
        canceled_too_late = {**canceled_in_time, "storing_at": NOON}

        def ended(**fields: object) -> tuple[JobStatus, Failure | None]:
            resolved = resolution(job(**fields), reason=PROVIDER)  # type: ignore[arg-type]
            return resolved.status, resolved.failure

        assert resolution(job()).failure == failure(FailureCode.INTERNAL)
        assert ended() == (JobStatus.FAILED, PROVIDER)
        assert ended(failure=recorded) == (JobStatus.FAILED, recorded)
        assert ended(**canceled_in_time) == (JobStatus.CANCELED, failure(FailureCode.CANCELED))
        assert ended(**canceled_too_late) == (JobStatus.FAILED, recorded)
        assert ended(**canceled_too_late, delivered=1) == (JobStatus.COMPLETED, None)


class TestRetries:
    ATTEMPT = Attempt(
        number=1, nonce="n", state_entry="e", requested_at=NOON, lease_until=NOON, prediction_id="p"
    )
    INTERRUPTED = Prediction("p", PredictionStatus.FAILED, retryable=True)
    DEADLINE = NOON + timedelta(minutes=5)

    @pytest.mark.parametrize(("attempts_count", "may"), [(1, True), (2, False)])
    def test_a_job_has_one_retry(self, attempts_count: int, may: bool) -> None:
        assert (
            may_retry(
                job(attempts=(self.ATTEMPT,) * attempts_count, deadline_at=self.DEADLINE),
                self.INTERRUPTED,
                now=NOON,
            )
            is may
        )

    @pytest.mark.parametrize(
        ("seconds_left", "may"), [(5, True), (4.999, False), (0, False), (-1, False)]
    )
    def test_a_retry_begins_at_least_5_seconds_before_the_deadline(
        self, seconds_left: float, may: bool
    ) -> None:
        interrupted = job(attempts=(self.ATTEMPT,), deadline_at=self.DEADLINE)

        assert (
            may_retry(
                interrupted,
                self.INTERRUPTED,
                now=self.DEADLINE - timedelta(seconds=seconds_left),
            )
            is may
        )

    @pytest.mark.parametrize(
        "status", [PredictionStatus.FAILED, PredictionStatus.RUNNING, PredictionStatus.SUCCEEDED]
    )
    def test_only_an_interrupted_prediction_is_retried(self, status: PredictionStatus) -> None:
        assert not may_retry(job(attempts=(self.ATTEMPT,)), Prediction("p", status), now=NOON)


class TestWaitsAndStateEntries:
    @pytest.mark.parametrize(
        ("expected", "seconds"),
        [(0, 15), (5, 15), (7, 15), (8, 16), (60, 120), (300, 600), (301, 600), (10_000, 600)],
    )
    def test_a_wait_is_twice_the_expected_time_within_limits(
        self, expected: int, seconds: int
    ) -> None:
        assert wait_seconds_for(expected) == seconds

    @pytest.mark.parametrize(
        ("earlier", "later"),
        [
            (("2026-01-02T12:00:00Z", 0), ("2026-01-02T12:00:00Z", 1)),
            (("2026-01-02T12:00:00.999Z", 0), ("2026-01-02T12:00:01Z", 0)),
            (("2026-01-02T12:00:00Z", 0), ("2026-01-02T12:00:00.001Z", 0)),
            (("2026-01-02T12:00:00.5Z", 99), ("2026-01-02T12:00:00.501Z", 0)),
            (("2026-01-02T12:00:00Z", 9), ("2026-01-02T12:00:00Z", 10)),
            (("2026-12-31T23:59:59.999Z", 0), ("2027-01-01T00:00:00Z", 0)),
            (("2026-01-02T12:00:00.123456+00:00", 0), ("2026-01-02T12:00:00.124+00:00", 0)),
        ],
    )
    def test_a_later_state_entry_has_a_later_name(
        self, earlier: tuple[str, int], later: tuple[str, int]
    ) -> None:
        first, second = (
            state_entry_name(datetime.fromisoformat(text), count)
            for text, count in (earlier, later)
        )

        assert first < second

    def test_different_formats_of_a_time_name_the_same_state_entry(self) -> None:
        assert state_entry_name(
            datetime.fromisoformat("2026-01-02T12:00:00.120Z"), 0
        ) == state_entry_name(datetime.fromisoformat("2026-01-02T12:00:00.12+00:00"), 0)

    @given(
        st.datetimes(
            min_value=datetime(2020, 1, 1),  # noqa: DTZ001
            max_value=datetime(2100, 1, 1),  # noqa: DTZ001
            timezones=st.just(UTC),
        ),
        st.integers(0, 999),
        st.integers(0, 999),
    )
    def test_only_tries_of_the_same_state_entry_are_the_same_entry(
        self, entered_at: datetime, count: int, other_count: int
    ) -> None:
        assert is_same_state_entry(
            state_entry_name(entered_at, count), state_entry_name(entered_at, other_count)
        )
        assert not is_same_state_entry(
            state_entry_name(entered_at, count),
            state_entry_name(entered_at + timedelta(milliseconds=1), count),
        )


def test_completed_failed_and_canceled_are_final() -> None:
    assert {status.value for status in JobStatus if status.is_final} == {
        "completed",
        "failed",
        "canceled",
    }
    assert {status.value for status in JobStatus if not status.is_final} == {
        "pending",
        "processing",
    }
