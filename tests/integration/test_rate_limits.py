"""The counters of costly acts: the edge of each limit, its window, its account and its races."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from darkroom.domain.errors import LimitReached, TooManyUploads
from darkroom.domain.limits import LIMITS, Act
from darkroom.storage import rate_limits
from darkroom.storage.table import LimitRow
from tests.builders import ANN, NOON
from tests.integration.ledger.balances import ANN_ON_MOBILE, BOB
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")

COUNTED = [act for act in Act if act is not Act.JOBS]
EACH_ACT = pytest.mark.parametrize("act", COUNTED)


def used(act: Act, account: str = "web#ann") -> list[int]:
    """Return the counters of an act, the oldest window first."""
    rows = LimitRow.query(f"LIMIT#{account}", LimitRow.sk.startswith(f"{act}#"))
    return [int(row.used) for row in rows]


@EACH_ACT
class TestEachLimit:
    @pytest.fixture(autouse=True)
    def _small_limit(self, act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, LIMITS[act].setting.upper(), 2)

    def test_accepts_the_limit_and_refuses_one_more(self, act: Act) -> None:
        rate_limits.count(ANN, act, now=NOON)
        rate_limits.count(ANN, act, now=NOON)

        with pytest.raises(LimitReached) as raised:
            rate_limits.count(ANN, act, now=NOON)

        assert type(raised.value) is LIMITS[act].error
        assert (raised.value.limit, raised.value.act) == (2, act)
        assert used(act) == [2]

    def test_begins_again_in_the_next_window(self, act: Act) -> None:
        late = NOON + timedelta(seconds=12.25)
        rate_limits.count(ANN, act, now=late, amount=2)
        with pytest.raises(LimitReached) as raised:
            rate_limits.count(ANN, act, now=late)
        next_window = late + timedelta(seconds=raised.value.retry_after_seconds)

        with pytest.raises(LimitReached):
            rate_limits.count(ANN, act, now=next_window - timedelta(seconds=1))
        rate_limits.count(ANN, act, now=next_window)

        assert used(act) == [2, 1]

    def test_counts_each_account_separately(self, act: Act) -> None:
        for account in (ANN, BOB, ANN_ON_MOBILE):
            rate_limits.count(account, act, now=NOON, amount=2)

        assert used(act) == used(act, "web#bob") == used(act, "mobile#ann") == [2]

    def test_an_amount_must_fit_whole(self, act: Act) -> None:
        with pytest.raises(LimitReached):
            rate_limits.count(ANN, act, now=NOON, amount=3)
        rate_limits.count(ANN, act, now=NOON)
        with pytest.raises(LimitReached):
            rate_limits.count(ANN, act, now=NOON, amount=2)

        assert used(act) == [1]

    def test_the_counter_expires_an_hour_after_its_window(self, act: Act) -> None:
        rate_limits.count(ANN, act, now=NOON)

        (row,) = LimitRow.query("LIMIT#web#ann", LimitRow.sk.startswith(f"{act}#"))
        window_end = NOON + timedelta(seconds=LIMITS[act].retry_after_seconds(NOON))
        assert row.expires_at == window_end.timestamp() + 3_600


def test_acts_that_belong_together_count_all_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "UPLOADS_PER_HOUR_MAX", 3)
    with_setting(monkeypatch, "UPLOAD_BYTES_PER_DAY_MAX", 100)
    rate_limits.count_together(ANN, {Act.UPLOADS: 1, Act.UPLOAD_BYTES: 60}, now=NOON)

    with pytest.raises(TooManyUploads) as raised:
        rate_limits.count_together(ANN, {Act.UPLOADS: 1, Act.UPLOAD_BYTES: 41}, now=NOON)

    assert (raised.value.act, raised.value.retry_after_seconds) == (Act.UPLOAD_BYTES, 43_200)
    assert (used(Act.UPLOADS), used(Act.UPLOAD_BYTES)) == ([1], [60])
    rate_limits.count_together(ANN, {Act.UPLOADS: 1, Act.UPLOAD_BYTES: 40}, now=NOON)
    assert (used(Act.UPLOADS), used(Act.UPLOAD_BYTES)) == ([2], [100])


def test_the_longest_wait_is_told_if_several_limits_are_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_setting(monkeypatch, "UPLOADS_PER_HOUR_MAX", 1)
    with_setting(monkeypatch, "UPLOAD_BYTES_PER_DAY_MAX", 1)
    amounts = {Act.UPLOADS: 1, Act.UPLOAD_BYTES: 1}
    rate_limits.count_together(ANN, amounts, now=NOON)

    with pytest.raises(TooManyUploads) as raised:
        rate_limits.count_together(ANN, amounts, now=NOON)

    assert raised.value.act == Act.UPLOAD_BYTES


@pytest.mark.parametrize(
    ("act", "now", "retry_after_seconds"),
    [
        (Act.CALLBACK_TESTS, datetime(2026, 1, 2, 12, 0, 59, 999_999, UTC), 1),
        (Act.CALLBACK_TESTS, datetime(2026, 1, 2, 12, 1, tzinfo=UTC), 60),
        (Act.QUOTES, datetime(2026, 1, 2, 12, 59, 59, tzinfo=UTC), 1),
        (Act.QUOTES, datetime(2026, 1, 2, 13, tzinfo=UTC), 3_600),
        (Act.UPLOAD_BYTES, datetime(2026, 1, 2, 23, 59, 58, 500_000, UTC), 2),
        (Act.UPLOAD_BYTES, datetime(2026, 1, 3, tzinfo=UTC), 86_400),
    ],
)
def test_a_window_ends_at_the_full_minute_hour_or_day(
    act: Act, now: datetime, retry_after_seconds: int
) -> None:
    assert LIMITS[act].retry_after_seconds(now) == retry_after_seconds
