"""The rules of the provider queue: virtual times, free slots, the next entry and fairness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from heapq import heappop, heappush

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.accounts import AccountId
from darkroom.domain.provider_health import PauseReason, ProviderState
from darkroom.domain.provider_queue import (
    QueueEntry,
    Slot,
    entry_key,
    flow_correction,
    free_names,
    heads_count,
    is_at_limit,
    pick,
    position,
    start_of_key,
    virtual_start,
)
from tests.builders import NOON

ACCOUNTS = ("web/a", "web/b", "web/c")
MOMENT = timedelta(microseconds=1)
durations = st.lists(st.integers(1, 130), min_size=20, max_size=60)


def slot(name: str = "000", account: str = "web/a", finish: int = 0) -> Slot:
    return Slot(name, account, "job", finish, NOON)


def entry(account: str, start: int = 0, seconds: int = 1, job_id: str = "job") -> QueueEntry:
    finish = start + seconds * 1_000
    return QueueEntry(entry_key(start, NOON, job_id), account, job_id, start, finish, NOON)


@dataclass
class Queue:
    """A provider queue in memory. Its jobs run exactly as long as expected."""

    slots_count: int
    now: int = 0
    state: ProviderState = field(default_factory=ProviderState)
    entries: list[QueueEntry] = field(default_factory=list)
    running: list[tuple[int, str]] = field(default_factory=list)
    slots: dict[str, Slot] = field(default_factory=dict)
    flows: Counter[str] = field(default_factory=Counter)
    granted: Counter[str] = field(default_factory=Counter)

    def submit(self, account: str, seconds: int, job_id: str = "") -> None:
        start = virtual_start(
            self.state,
            self.slots.values(),
            AccountId.parse(account),
            previous_finish=self.flows[account],
        )
        job_id = job_id or f"{len(self.entries):06}"
        self.entries.append(entry(account, start, seconds, job_id))
        self.flows[account] = start + seconds * 1_000

    def run(self) -> Iterator[QueueEntry]:
        """Yield each entry when it gets a slot, until the queue is empty."""
        while self.entries:
            for name in free_names(self.slots.values(), self.slots_count):
                heads = sorted(self.entries, key=lambda each: each.key)[:1]
                if (granted := pick(self.slots.values(), heads, 0)) is None:
                    break
                self.entries.remove(granted)
                self.state = ProviderState(max(self.state.virtual_time, granted.start))
                self.slots[name] = Slot(name, granted.account, granted.job_id, granted.finish, NOON)
                seconds = (granted.finish - granted.start) // 1_000
                heappush(self.running, (self.now + seconds, name))
                self.granted[granted.account] += seconds
                yield granted
            self.now, ended = heappop(self.running)
            del self.slots[ended]


@given(durations, durations, st.integers(1, 5))
def test_accounts_with_waiting_jobs_get_equal_provider_time(
    first: list[int], second: list[int], slots_count: int
) -> None:
    # Goyal, Vin and Cheng, theorem 1: the difference is at most one longest job of each account.
    queue = Queue(slots_count)
    jobs = {"web/a": first, "web/b": second}
    for account, seconds in jobs.items():
        for each in seconds:
            queue.submit(account, each)
    waiting = Counter({account: len(seconds) for account, seconds in jobs.items()})

    for granted in queue.run():
        waiting[granted.account] -= 1
        if not all(waiting.values()):
            break
        difference = abs(queue.granted["web/a"] - queue.granted["web/b"])
        assert difference <= max(first) + max(second)


@given(st.integers(1, 5), st.integers(1, 130), st.integers(1, 130))
def test_a_newcomer_precedes_the_next_job_of_an_account_that_holds_all_slots(
    slots_count: int, long: int, short: int
) -> None:
    queue = Queue(slots_count)
    for _ in range(4 * slots_count):
        queue.submit("web/a", long)
    grants = queue.run()
    for _ in range(slots_count):
        next(grants)

    queue.submit("web/b", short)

    assert next(grants).account == "web/b"


def test_a_newcomer_precedes_the_sixth_job_also_if_the_others_found_free_slots() -> None:
    # The fast path has no entry and no flow: only the running jobs count.
    running = [slot(f"{number:03}", "web/a", finish=130_000) for number in range(5)]
    state = ProviderState()

    assert virtual_start(state, running, AccountId("web", "a")) == 130_000
    assert virtual_start(state, running, AccountId("web", "b")) == 0


def test_a_start_is_the_latest_of_virtual_time_flow_and_running_jobs() -> None:
    account = AccountId("web", "a")
    running = [slot(finish=3), slot("001", "web/b", finish=99)]

    assert virtual_start(ProviderState(1), running, account, previous_finish=2) == 3
    assert virtual_start(ProviderState(4), running, account, previous_finish=2) == 4
    assert virtual_start(ProviderState(1), running, account, previous_finish=5) == 5
    assert virtual_start(ProviderState(), [], account) == 0


@given(
    st.lists(st.sampled_from(ACCOUNTS), max_size=5),
    st.lists(st.sampled_from(ACCOUNTS), max_size=12),
    st.integers(0, 3),
)
def test_no_entry_passes_an_earlier_one_whose_account_may_have_a_slot(
    holders: list[str], waiting: list[str], per_account_max: int
) -> None:
    slots = [slot(f"{number:03}", account) for number, account in enumerate(holders)]
    heads = [entry(account, number) for number, account in enumerate(waiting)]

    picked = pick(slots, heads, per_account_max)

    passed = heads[: heads.index(picked)] if picked else heads
    assert all(is_at_limit(slots, each.account, per_account_max) for each in passed)
    assert picked is None or not is_at_limit(slots, picked.account, per_account_max)


@pytest.mark.parametrize(
    ("in_flight_max", "per_account_max", "count"),
    [(5, 0, 1), (5, 5, 1), (5, 9, 1), (5, 4, 21), (5, 2, 41), (5, 1, 50)],
)
def test_the_read_entries_contain_one_of_an_account_below_its_limit(
    in_flight_max: int, per_account_max: int, count: int
) -> None:
    assert heads_count(in_flight_max, per_account_max, 20) == count


def test_a_name_above_the_limit_is_not_given() -> None:
    assert free_names([slot("001"), slot("007")], 3) == ["000", "002"]
    assert free_names([slot("000"), slot("001")], 1) == []
    assert free_names([], 0) == []


@given(st.integers(0, 10**16), st.integers(0, 10**16))
def test_keys_sort_by_their_virtual_start(first: int, second: int) -> None:
    keys = entry_key(first, NOON, "z"), entry_key(second, NOON - MOMENT, "a")

    assert (keys[0] < keys[1]) is (first < second)
    assert [start_of_key(key) for key in keys] == [first, second]


def test_a_pause_ends_at_its_time() -> None:
    paused = ProviderState(0, NOON, PauseReason.SPEND)

    assert paused.is_paused(NOON - MOMENT)
    assert not paused.is_paused(NOON)
    assert not ProviderState().is_paused(NOON)


@pytest.mark.parametrize(
    ("actual_seconds", "milliseconds"),
    [(0, -10_000), (4, -6_000), (10, 0), (10.5, 500), (310, 300_000), (311, 300_000)],
)
def test_a_flow_is_corrected_by_the_time_of_the_prediction(
    actual_seconds: float, milliseconds: int
) -> None:
    assert (
        flow_correction(expected_seconds=10, actual_seconds=actual_seconds, seconds_max=300)
        == milliseconds
    )


def test_a_position_has_the_own_jobs_and_all_expected_work() -> None:
    ahead = [entry("web/b", start, 50) for start in (0, 50_000)]

    found = position(
        100_000,
        ahead_of_yours=1,
        state=ProviderState(50_000),
        ahead=ahead,
        in_flight_max=5,
        now=NOON,
    )

    assert found.ahead_of_yours == 1
    assert found.expected_start_at == NOON + timedelta(seconds=20)


def test_a_position_during_a_pause_starts_at_its_end() -> None:
    until = NOON + timedelta(hours=1)
    found = position(
        0,
        ahead_of_yours=0,
        state=ProviderState(0, until, PauseReason.SPEND),
        ahead=[],
        in_flight_max=5,
        now=NOON,
    )

    assert found.expected_start_at == until


def test_the_queue_in_memory_runs_all_jobs() -> None:
    queue = Queue(2)
    for account in ACCOUNTS:
        queue.submit(account, 3)

    assert [each.account for each in queue.run()] == list(ACCOUNTS)
