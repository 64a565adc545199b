from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.failures import FailureCode, failure
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


def job(*, held: int = 40, asked: int = 4, delivered: int = 0, **more: object) -> Job:
    made = image_job()
    outputs = tuple(
        Output(number=number, key="k", content_type="image/png", bytes=1, width=1, height=1)
        for number in range(delivered)
    )
    return replace(
        made,
        held=held,
        model_input=replace(made.model_input, outputs_count=asked),
        outputs=outputs,
        **more,  # type: ignore[arg-type]
    )


class TestResolution:
    @pytest.mark.parametrize(
        ("held", "asked", "delivered", "charged"),
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
    def test_a_delivery_is_charged_by_its_share_rounded_down(
        self, held: int, asked: int, delivered: int, charged: int
    ) -> None:
        resolved = resolution(job(held=held, asked=asked, delivered=delivered))

        assert (resolved.status, resolved.charged, resolved.refunded, resolved.failure) == (
            JobStatus.COMPLETED,
            charged,
            held - charged,
            None,
        )

    def test_nothing_delivered_gives_everything_back(self) -> None:
        resolved = resolution(job(), reason=PROVIDER)

        assert (resolved.status, resolved.charged, resolved.refunded, resolved.failure) == (
            JobStatus.FAILED,
            0,
            40,
            PROVIDER,
        )

    @given(st.integers(0, 10_000), st.integers(1, 10), st.integers(0, 12), st.booleans())
    def test_what_is_held_is_divided_and_nothing_else(
        self, held: int, asked: int, delivered: int, canceled: bool
    ) -> None:
        resolved = resolution(
            job(
                held=held,
                asked=asked,
                delivered=delivered,
                cancel_requested_at=NOON if canceled else None,
            )
        )

        assert resolved.charged + resolved.refunded == held
        assert 0 <= resolved.charged <= held
        assert resolved.status.is_final
        assert (resolved.charged == held) or delivered < asked
        assert (resolved.status is JobStatus.COMPLETED) == (delivered > 0)
        assert (resolved.failure is None) == (resolved.status is JobStatus.COMPLETED)

    def test_the_reasons_in_their_order(self) -> None:
        recorded, canceled = failure(FailureCode.REFUSED), failure(FailureCode.CANCELED)

        assert resolution(job()).failure == failure(FailureCode.INTERNAL)
        assert resolution(job(), reason=PROVIDER).failure == PROVIDER
        assert resolution(job(failure=recorded), reason=PROVIDER).failure == recorded
        asked_to_stop = job(failure=recorded, cancel_requested_at=NOON)
        assert (
            resolution(asked_to_stop, reason=PROVIDER).status,
            resolution(asked_to_stop, reason=PROVIDER).failure,
        ) == (JobStatus.CANCELED, canceled)
        too_late = job(failure=recorded, cancel_requested_at=NOON, storing_at=NOON)
        assert (
            resolution(too_late, reason=PROVIDER).status,
            resolution(too_late, reason=PROVIDER).failure,
        ) == (JobStatus.FAILED, recorded)
        delivered = job(failure=recorded, cancel_requested_at=NOON, storing_at=NOON, delivered=1)
        assert (resolution(delivered, reason=PROVIDER).status, resolution(delivered).failure) == (
            JobStatus.COMPLETED,
            None,
        )


class TestSecondAttempt:
    ATTEMPT = Attempt(
        number=1, nonce="n", state_entry="e", requested_at=NOON, lease_until=NOON, prediction_id="p"
    )
    INTERRUPTED = Prediction("p", PredictionStatus.FAILED, retryable=True)

    @pytest.mark.parametrize(("attempts_count", "may"), [(1, True), (2, False)])
    def test_there_is_one_retry(self, attempts_count: int, may: bool) -> None:
        assert (
            may_retry(job(attempts=(self.ATTEMPT,) * attempts_count), self.INTERRUPTED, now=NOON)
            is may
        )

    @pytest.mark.parametrize(
        ("seconds_left", "may"), [(5, True), (4.999, False), (0, False), (-1, False)]
    )
    def test_there_is_time_for_it(self, seconds_left: float, may: bool) -> None:
        asked = job(attempts=(self.ATTEMPT,))

        assert (
            may_retry(
                asked, self.INTERRUPTED, now=asked.deadline_at - timedelta(seconds=seconds_left)
            )
            is may
        )

    @pytest.mark.parametrize(
        "status", [PredictionStatus.FAILED, PredictionStatus.RUNNING, PredictionStatus.SUCCEEDED]
    )
    def test_only_what_was_interrupted_is_requested_again(self, status: PredictionStatus) -> None:
        assert not may_retry(job(attempts=(self.ATTEMPT,)), Prediction("p", status), now=NOON)


class TestWaits:
    @pytest.mark.parametrize(
        ("expected", "seconds"),
        [(0, 15), (5, 15), (7, 15), (8, 16), (60, 120), (300, 600), (301, 600), (10_000, 600)],
    )
    def test_last_twice_what_is_expected_within_limits(self, expected: int, seconds: int) -> None:
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
    def test_a_later_one_sorts_after_an_earlier_one(
        self, earlier: tuple[str, int], later: tuple[str, int]
    ) -> None:
        first, second = (
            state_entry_name(datetime.fromisoformat(text), count)
            for text, count in (earlier, later)
        )

        assert first < second

    def test_two_spellings_of_one_time_name_the_same_state_entry(self) -> None:
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
    def test_tries_of_one_entry_belong_together_and_others_do_not(
        self, entered_at: datetime, count: int, other_count: int
    ) -> None:
        assert is_same_state_entry(
            state_entry_name(entered_at, count), state_entry_name(entered_at, other_count)
        )
        assert not is_same_state_entry(
            state_entry_name(entered_at, count),
            state_entry_name(entered_at + timedelta(milliseconds=1), count),
        )


def test_three_statuses_are_final() -> None:
    assert {status.value for status in JobStatus if status.is_final} == {
        "completed",
        "failed",
        "canceled",
    }
    assert {status.value for status in JobStatus if not status.is_final} == {
        "pending",
        "processing",
    }
