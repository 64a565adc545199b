from __future__ import annotations

from datetime import timedelta

from darkroom.domain.predictions import poll_seconds


def test_a_quarter_of_an_hour_takes_about_forty_looks() -> None:
    elapsed, looks_count = timedelta(), 0
    while elapsed < timedelta(minutes=15):
        elapsed += timedelta(seconds=poll_seconds(elapsed) + 1)
        looks_count += 1

    assert 30 <= looks_count <= 45
