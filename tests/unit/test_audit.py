"""The audit reports each mismatch of an account's balance, entries and markers, and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from darkroom.domain.accounts import Balance
from darkroom.domain.audit import AccountRecords, GrantMarker, Mismatch, mismatches
from tests.builders import NOON
from tests.unit.audited_account import (
    CONSISTENT,
    CORRECTION,
    GRANT,
    OPEN_HOLD,
    RELEASE,
    SETTLE,
    WELCOME,
    entry,
    hash_of,
    mismatches_of,
    with_balance,
    with_entries,
    with_entry,
    with_markers,
)


def test_a_consistent_account_has_no_mismatch() -> None:
    assert mismatches(CONSISTENT, now=NOON) == []
    assert mismatches(replace(CONSISTENT, deleted=frozenset()), now=NOON) == []


@pytest.mark.parametrize("balance", [None, Balance()])
def test_an_empty_account_has_no_mismatch(balance: Balance | None) -> None:
    assert mismatches(AccountRecords(account="web/ann", balance=balance), now=NOON) == []


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        # The account.
        (
            with_balance(available=56),
            [
                ("available by the entries", 55, 56, None),
                ("granted by available + held + spent", 106, 105, None),
            ],
        ),
        (
            with_balance(granted=106),
            [
                ("granted by the entries", 105, 106, None),
                ("granted by available + held + spent", 105, 106, None),
            ],
        ),
        (
            with_balance(held=21, spent=29),
            [("held by the entries", 20, 21, None), ("spent by the entries", 30, 29, None)],
        ),
        (with_balance(in_flight=0), [("jobs in flight by the open jobs", 1, 0, None)]),
        (with_balance(in_flight=2), [("jobs in flight by the open jobs", 1, 2, None)]),
        (with_balance(jobs_total=4), [("jobs in total by the records", 3, 4, None)]),
        (replace(CONSISTENT, balance=None), [("row of the account", "present", "missing", None)]),
        (replace(CONSISTENT, unreadable=("JOB#1",)), [("row", "readable", "unreadable", "JOB#1")]),
        (
            replace(CONSISTENT, balance=None, unreadable=("ACCOUNT",)),
            [("row", "readable", "unreadable", "ACCOUNT")],
        ),
        # The entries.
        (
            with_entry(GRANT, replace(GRANT, available=119), available=54),
            [
                ("granted by available + held + spent", 104, 105, None),
                ("granted of an entry by its available + held + spent", 119, 120, GRANT.entry_id),
            ],
        ),
        (
            with_entry(SETTLE, replace(SETTLE, kind="release")),
            [("kind of an entry", "settle", "release", SETTLE.entry_id)],
        ),
        (
            with_entry(RELEASE, replace(RELEASE, kind="settle")),
            [("kind of an entry", "release", "settle", RELEASE.entry_id)],
        ),
        (
            with_entry(GRANT, replace(GRANT, kind="gift")),
            [("kind of an entry", "grant", "gift", GRANT.entry_id)],
        ),
        (
            with_entry(
                CORRECTION, replace(CORRECTION, available=-21, held=1), available=54, held=21
            ),
            [("held of a correction", 0, 1, CORRECTION.entry_id)],
        ),
        (
            with_entry(
                OPEN_HOLD, replace(OPEN_HOLD, available=-21, spent=1), available=54, spent=31
            ),
            [("spent of a hold", 0, 1, OPEN_HOLD.entry_id)],
        ),
        (
            with_entry(WELCOME, None),
            [
                ("granted by the entries", 100, 105, None),
                ("available by the entries", 50, 55, None),
                ("entry of a grant marker", "present", "missing", WELCOME.entry_id),
            ],
        ),
        # The markers.
        (with_markers(*CONSISTENT.markers[1:]), [("markers of a grant", 1, 0, GRANT.entry_id)]),
        (with_markers(*CONSISTENT.markers[:2]), [("markers of a grant", 1, 0, WELCOME.entry_id)]),
        (
            with_markers(*CONSISTENT.markers, CONSISTENT.markers[2]),
            [("markers of a grant", 1, 2, WELCOME.entry_id)],
        ),
        (
            with_markers(*CONSISTENT.markers, GrantMarker("nowhere", 9, None)),
            [("entry of a grant marker", "present", "missing", "nowhere")],
        ),
        (
            with_markers(*CONSISTENT.markers, GrantMarker(SETTLE.entry_id, 0, None)),
            [("entry of a grant marker", "present", "missing", SETTLE.entry_id)],
        ),
        (
            with_markers(replace(CONSISTENT.markers[0], amount=121), *CONSISTENT.markers[1:]),
            [("amount of a grant marker", 120, 121, GRANT.entry_id)],
        ),
        (
            with_markers(
                replace(CONSISTENT.markers[0], reference_hash=hash_of("order 2")),
                *CONSISTENT.markers[1:],
            ),
            [
                (
                    "reference of a grant marker",
                    hash_of("order 1"),
                    hash_of("order 2"),
                    GRANT.entry_id,
                )
            ],
        ),
    ],
)
def test_each_mismatch_of_balance_entries_and_markers_is_reported(
    broken: AccountRecords, expected: list[Any]
) -> None:
    assert sorted(mismatches_of(broken), key=str) == sorted(expected, key=str)


def test_a_negative_counter_is_reported_even_if_its_entries_agree() -> None:
    correction = entry("correction", reference="too much", granted=-60, available=-60)
    records = replace(
        with_entries(correction, available=-5, granted=45),
        markers=(*CONSISTENT.markers, GrantMarker(correction.entry_id, -60, hash_of("too much"))),
    )

    assert mismatches_of(records) == [("available, which is never negative", 0, -5, None)]


@pytest.mark.parametrize(
    "without",
    [
        replace(CONSISTENT, entries=(), markers=()),
        replace(CONSISTENT, jobs=(), markers=()),
        replace(CONSISTENT, entries=(), jobs=()),
    ],
)
def test_rows_without_their_account_row_are_reported(without: AccountRecords) -> None:
    assert ("row of the account", "present", "missing", None) in mismatches_of(
        replace(without, balance=None)
    )


def test_a_mismatch_names_its_account() -> None:
    assert mismatches(with_balance(jobs_total=4), now=NOON) == [
        Mismatch("web/ann", "jobs in total by the records", 3, 4)
    ]
