"""`make repair` corrects counters in the table, records each repair, and harms no other write."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darkroom.domain.accounts import Balance
from darkroom.domain.repair import plan
from darkroom.services.audit_accounts import audit
from darkroom.services.repair_accounts import Outcome, RepairedAccount, repair_account
from darkroom.storage import ledger, ledger_repair
from darkroom.storage.table import AccountRow, EntryRow
from tests.builders import ANN, call_api, held_job, image_job, open_account
from tests.integration.audit.accounts import (
    PK,
    account_row,
    account_with_all_ends,
    mismatches,
    now,
)

pytestmark = pytest.mark.usefixtures("aws", "short_pauses")

COUNTERS = ("held", "spent", "in_flight", "jobs_total")


def set_counters(**values: int) -> None:
    """Overwrite counters of ann's account, as a bug or a hand in the console could."""
    account_row().update([getattr(AccountRow, name).set(value) for name, value in values.items()])


def repaired(*, apply: bool = True) -> RepairedAccount | None:
    return repair_account(PK, apply=apply, now=now())


def latest_entry() -> EntryRow:
    return next(EntryRow.query(PK, EntryRow.sk.startswith("ENTRY#"), scan_index_forward=False))


def test_without_apply_the_repair_is_shown_and_nothing_is_written() -> None:
    held_job()
    set_counters(held=99)
    before = latest_entry()

    shown_only = repaired(apply=False)

    assert shown_only
    assert shown_only.outcome is Outcome.NOT_APPLIED
    assert shown_only.repair.changes == {"held": (99, 10)}
    assert ledger.balance(ANN).held == 99
    assert latest_entry().sk == before.sk


def test_a_repair_writes_one_entry_that_says_what_changed() -> None:
    held_job()
    correct = ledger.balance(ANN)
    set_counters(held=11, in_flight=20)

    done = repaired()

    assert done
    assert done.outcome is Outcome.APPLIED
    assert ledger.balance(ANN) == correct
    entry = latest_entry()
    assert (entry.kind, entry.reason) == ("correction", "repair: held 11 to 10, in_flight 20 to 1")
    assert mismatches() == []
    status, page, _ = call_api("GET", "/credits/entries")
    assert (status, page["entries"][0]["kind"]) == (200, "correction")
    assert {page["entries"][0][name] for name in ("granted", "available", "held", "spent")} == {0}


def test_a_repaired_account_is_not_repaired_again() -> None:
    held_job()
    set_counters(spent=1)
    planned = plan(audit(PK, now=now()).records, now=now())

    assert ledger_repair.write(planned, now=now())
    assert not ledger_repair.write(planned, now=now())
    assert repaired() is None


def test_the_same_wrong_counter_can_be_repaired_a_second_time() -> None:
    held_job()
    for _ in range(2):
        set_counters(held=11)
        done = repaired()
        assert done
        assert done.outcome is Outcome.APPLIED
    assert mismatches() == []


def test_a_repair_of_an_account_that_has_changed_writes_nothing() -> None:
    held_job()
    set_counters(spent=5)
    planned = plan(audit(PK, now=now()).records, now=now())
    ledger.hold(image_job(), key=None, now=now())

    assert not ledger_repair.write(planned, now=now())

    assert (ledger.balance(ANN).held, ledger.balance(ANN).spent) == (20, 5)
    assert latest_entry().kind == "hold"


def test_a_counter_that_changes_without_a_revision_is_not_overwritten() -> None:
    held_job()
    set_counters(spent=5)
    planned = plan(audit(PK, now=now()).records, now=now())
    set_counters(spent=6)

    assert not ledger_repair.write(planned, now=now())

    assert ledger.balance(ANN).spent == 6


def test_a_missing_counter_is_repaired() -> None:
    held_job()
    account_row().update([AccountRow.held.remove(), AccountRow.spent.remove()])

    done = repaired()

    assert done
    assert done.outcome is Outcome.APPLIED
    assert ledger.balance(ANN).held == 10


def test_wrong_available_credits_are_named_and_not_changed() -> None:
    open_account(100)
    set_counters(available=101, held=7)

    done = repaired()

    assert done
    assert done.outcome is Outcome.NOTHING_TO_CHANGE
    assert "available by the entries" in {each.what for each in done.repair.remaining}
    assert ledger.balance(ANN) == Balance(available=101, held=7, granted=100)


def test_any_wrong_counters_are_repaired_and_available_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account_with_all_ends(monkeypatch)
    correct = ledger.balance(ANN)
    assert mismatches() == []

    @settings(
        max_examples=5,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(wrong=st.dictionaries(st.sampled_from(COUNTERS), st.integers(-500, 500), min_size=1))
    def repairs(wrong: dict[str, int]) -> None:
        set_counters(**wrong)
        is_wrong = any(asdict(correct)[name] != value for name, value in wrong.items())

        done = repaired()

        assert ledger.balance(ANN) == correct
        assert mismatches() == []
        assert (done is not None) == is_wrong

    repairs()
