"""The pauses between the tries of a callback."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom import __version__
from darkroom.domain.callback_retries import (
    PAUSE_SECONDS_MAX,
    PAUSE_SECONDS_MIN,
    RECEIVES_MAX,
    is_last_receive,
    pause_seconds,
)
from tests.unit.test_openapi import DOCUMENT

MINUTE, HOUR = 60, 3_600
VISIBILITY_SECONDS_MAX = 12 * HOUR


def ages_of_tries(delivery_seconds: float = 0) -> list[float]:
    """Return the message's age at each of its tries, if each try fails."""
    ages, receives = [0.0], 1
    while not is_last_receive(receives):
        failed_at = ages[-1] + delivery_seconds
        ages.append(failed_at + pause_seconds(ages[-1]))
        receives += 1
    return ages


@pytest.mark.parametrize("delivery_seconds", [0, 10])
def test_the_tries_of_a_callback_take_at_least_24_hours(delivery_seconds: float) -> None:
    ages = ages_of_tries(delivery_seconds)

    assert len(ages) == RECEIVES_MAX
    assert ages[-1] >= 24 * HOUR


def test_the_pauses_grow_from_5_seconds_to_6_hours() -> None:
    pauses = [later - earlier for earlier, later in pairwise(ages_of_tries())]

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (5, 6 * HOUR)
    assert max(pauses) <= VISIBILITY_SECONDS_MAX


@given(age=st.floats(0, 30 * 24 * HOUR), later=st.floats(0, 30 * 24 * HOUR))
def test_a_pause_is_bounded_and_never_shrinks_with_the_age(age: float, later: float) -> None:
    first, second = sorted((age, age + later))

    assert PAUSE_SECONDS_MIN <= pause_seconds(first) <= pause_seconds(second) <= PAUSE_SECONDS_MAX


@pytest.mark.parametrize("down_seconds", [1, 30, 13 * MINUTE, HOUR, 12 * HOUR, 24 * HOUR])
def test_a_receiver_that_was_down_gets_its_event_without_much_delay(down_seconds: int) -> None:
    first_success = next(age for age in ages_of_tries() if age >= down_seconds)

    assert first_success <= max(3 * down_seconds, down_seconds + PAUSE_SECONDS_MIN)
    assert first_success <= down_seconds + PAUSE_SECONDS_MAX


@pytest.mark.parametrize("lost_receives", [1, 2, 3])
def test_lost_receives_do_not_shorten_the_time_below_a_day(lost_receives: int) -> None:
    # Lambda throttled or killed the invocation: the message is visible again after 180 seconds.
    age, receives = 180.0 * lost_receives, 1 + lost_receives
    while not is_last_receive(receives):
        age, receives = age + pause_seconds(age), receives + 1

    assert age >= 24 * HOUR


def test_only_the_last_receive_is_the_last() -> None:
    assert [is_last_receive(receives) for receives in (1, RECEIVES_MAX - 1, RECEIVES_MAX)] == [
        False,
        False,
        True,
    ]


def test_the_user_agent_has_the_version_of_the_release() -> None:
    assert DOCUMENT["info"]["version"] == __version__
