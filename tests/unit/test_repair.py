"""The rule of the repair: it sets counters that the entries and jobs imply, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.accounts import Balance
from darkroom.domain.audit import AccountRecords, GrantMarker, Mismatch, mismatches
from darkroom.domain.jobs import JobStatus
from darkroom.domain.recovery import over_at
from darkroom.domain.repair import advice, plan
from tests.builders import NOON
from tests.unit.audited_account import (
    CONSISTENT,
    FAILED,
    FAILED_HOLD,
    GRANT,
    OPEN,
    OPEN_HOLD,
    PARTIAL,
    RELEASE,
    SETTLE,
    entry,
    hash_of,
    hold,
    with_balance,
    with_entries,
    with_entry,
    with_job,
    with_markers,
)

COUNTERS = ("held", "spent", "in_flight", "jobs_total")
_numbers = st.integers(min_value=-1_000, max_value=1_000)


@given(wrong=st.dictionaries(st.sampled_from(COUNTERS), _numbers))
def test_any_wrong_counters_become_what_entries_and_jobs_imply(wrong: dict[str, int]) -> None:
    records = with_balance(**wrong)

    repair = plan(records, now=NOON)

    assert repair.repaired == CONSISTENT.balance
    assert mismatches(replace(records, balance=repair.repaired), now=NOON) == []
    assert repair.changes.keys() == {
        name for name, value in wrong.items() if value != getattr(CONSISTENT.balance, name)
    }
    assert repair.remaining == ()


@given(
    wrong=st.dictionaries(st.sampled_from(COUNTERS), _numbers),
    credits=st.dictionaries(
        st.sampled_from(["available", "granted"]), _numbers, min_size=1, max_size=2
    ),
)
def test_nothing_changes_while_the_users_credits_are_in_doubt(
    wrong: dict[str, int], credits: dict[str, int]
) -> None:
    records = with_balance(**wrong, **credits)
    is_in_doubt = any(value != getattr(CONSISTENT.balance, name) for name, value in credits.items())

    repair = plan(records, now=NOON)

    assert repair.repaired.available == credits.get("available", 55)
    assert repair.repaired.granted == credits.get("granted", 105)
    assert bool(repair.remaining) == is_in_doubt
    if is_in_doubt:
        assert repair.changes == {}


@pytest.mark.parametrize(
    "broken",
    [
        with_entry(OPEN_HOLD, None),
        with_entry(RELEASE, None),
        with_entry(SETTLE, None),
        with_entry(SETTLE, replace(SETTLE, held=-29, spent=19)),
        with_entry(FAILED_HOLD, hold(FAILED, 9)),
        with_entry(GRANT, None),
        with_entries(hold(OPEN, 20)),
        with_job(OPEN, status=JobStatus.FAILED),
        with_job(FAILED, status=JobStatus.PROCESSING),
        with_job(PARTIAL, charged=21),
        with_markers(*CONSISTENT.markers[1:]),
        replace(CONSISTENT, unreadable=("JOB#1",)),
        replace(CONSISTENT, jobs=CONSISTENT.jobs[1:]),
        replace(CONSISTENT, balance=None),
    ],
)
def test_nothing_changes_while_another_row_is_wrong(broken: AccountRecords) -> None:
    """Then the entries may be wrong, so they cannot correct the counters."""
    if broken.balance:
        broken = replace(broken, balance=replace(broken.balance, held=1, in_flight=9))

    repair = plan(broken, now=NOON)

    assert repair.changes == {}
    assert list(repair.remaining) == mismatches(broken, now=NOON) != []


def test_an_overdue_job_does_not_prevent_the_repair_and_remains() -> None:
    late = over_at(OPEN) + timedelta(hours=1)

    repair = plan(with_balance(held=19, spent=31), now=late)

    assert repair.repaired == CONSISTENT.balance
    assert [mismatch.concerns for mismatch in repair.remaining] == [OPEN.job_id]


def test_the_entry_of_a_repair_says_what_was_changed_and_matches_the_audit() -> None:
    repair = plan(replace(with_balance(held=21, spent=29), revision=7), now=NOON)
    recorded = entry("correction", reference=repair.reference)
    marker = GrantMarker(recorded.entry_id, 0, hash_of(repair.reference))
    repaired = replace(
        CONSISTENT,
        entries=(*CONSISTENT.entries, recorded),
        markers=(*CONSISTENT.markers, marker),
    )

    assert repair.reason == "repair: held 21 to 20, spent 29 to 30"
    assert repair.reference == "repair-of-revision-7"
    assert mismatches(repaired, now=NOON) == []
    assert mismatches(replace(repaired, markers=CONSISTENT.markers), now=NOON) != []


@pytest.mark.parametrize(
    ("what", "section"),
    [
        ("overdue: end of an open job", "stuck-job"),
        ("row of the account", "restore"),
        ("row", "restore"),
        ("available by the entries", "ledger-mismatch"),
        ("granted by available + held + spent", "ledger-mismatch"),
        ("markers of a grant", "ledger-mismatch"),
        ("resolutions of a final job", "ledger-mismatch"),
        ("spent by a job without a record, at most its hold", "ledger-mismatch"),
    ],
)
def test_what_is_not_repaired_names_a_section_of_the_runbook(what: str, section: str) -> None:
    assert advice(Mismatch("web/ann", what, 1, 2)).endswith(f"see docs/operations.md#{section}")


@pytest.mark.parametrize("what", ["held by the entries", "spent, which is never negative"])
def test_a_counter_is_repaired_after_the_other_rows(what: str) -> None:
    assert "after the other mismatches" in advice(Mismatch("web/ann", what, 1, 2))


def test_an_account_without_a_row_is_not_repaired() -> None:
    repair = plan(replace(CONSISTENT, balance=None), now=NOON)

    assert (repair.found, repair.repaired) == (Balance(), Balance())
