"""The interval between polls of a prediction."""

from __future__ import annotations

from datetime import timedelta

from darkroom.domain.predictions import poll_seconds


def test_a_prediction_of_15_minutes_is_polled_about_40_times() -> None:
    elapsed, polls_count = timedelta(), 0
    while elapsed < timedelta(minutes=15):
        elapsed += timedelta(seconds=poll_seconds(elapsed) + 1)
        polls_count += 1

    assert 30 <= polls_count <= 45
