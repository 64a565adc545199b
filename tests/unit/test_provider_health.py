"""The rules of pauses, faults in a row and unavailable templates."""

from __future__ import annotations

from datetime import timedelta

import pytest

from darkroom.domain.failures import KINDS, FailureCode
from darkroom.domain.provider_health import (
    CHECK_SECONDS,
    FAULT_ACCOUNTS_MIN,
    FAULT_TEMPLATES_MIN,
    FAULTS_MIN,
    PROVIDER_FAULTS,
    FaultRow,
    PauseReason,
    ProviderState,
    UnavailableTemplate,
    until_check,
)
from tests.builders import NOON

SECOND = timedelta(seconds=1)


def row(*, faults: int, templates: int, accounts: int = 1) -> FaultRow:
    found = FaultRow()
    for number in range(faults):
        found = found.with_fault(f"template-{number % templates}", f"web/{number % accounts}")
    return found


@pytest.mark.parametrize(
    ("faults", "templates", "accounts", "pauses"),
    [
        (FAULTS_MIN, FAULT_TEMPLATES_MIN, FAULT_ACCOUNTS_MIN, True),
        (FAULTS_MIN - 1, FAULT_TEMPLATES_MIN, FAULT_ACCOUNTS_MIN, False),
        (FAULTS_MIN, FAULT_TEMPLATES_MIN - 1, FAULT_ACCOUNTS_MIN, False),
        (10 * FAULTS_MIN, 1, FAULT_ACCOUNTS_MIN, False),
        (10 * FAULTS_MIN, FAULT_TEMPLATES_MIN, FAULT_ACCOUNTS_MIN - 1, False),
    ],
)
def test_many_faults_over_several_templates_and_accounts_pause(
    faults: int, templates: int, accounts: int, pauses: bool
) -> None:
    found = row(faults=faults, templates=templates, accounts=accounts)

    assert found.pauses(templates_count=29) is pauses


@pytest.mark.parametrize(
    ("templates", "templates_count", "pauses"), [(2, 2, True), (1, 2, False), (1, 1, True)]
)
def test_a_provider_with_few_templates_is_paused_after_faults_of_all(
    templates: int, templates_count: int, pauses: bool
) -> None:
    found = row(faults=FAULTS_MIN, templates=templates, accounts=2)

    assert found.pauses(templates_count=templates_count) is pauses


def test_a_row_of_faults_does_not_grow_without_bounds() -> None:
    found = row(faults=500, templates=50, accounts=50)

    assert (found.count, len(found.templates), len(found.accounts)) == (500, 3, 2)


@pytest.mark.parametrize("reason", [PauseReason.ACCOUNT, PauseReason.FAULTS])
def test_a_pause_that_ends_by_a_check_does_not_end_by_time(reason: PauseReason) -> None:
    state = ProviderState(paused_until=NOON, pause_reason=reason)

    assert state.is_paused(NOON + timedelta(days=1))
    assert [state.needs_check(NOON - SECOND), state.needs_check(NOON)] == [False, True]


@pytest.mark.parametrize("reason", [PauseReason.SPEND, None])
def test_the_pause_of_the_daily_ceiling_ends_by_time(reason: PauseReason | None) -> None:
    state = ProviderState(paused_until=NOON, pause_reason=reason)

    assert [state.is_paused(NOON - SECOND), state.is_paused(NOON)] == [True, False]
    assert not state.needs_check(NOON + SECOND)


def test_checks_are_further_and_further_apart_up_to_15_minutes() -> None:
    minutes = [until_check(count) / timedelta(minutes=1) for count in range(7)]

    assert minutes == [1, 2, 4, 8, 15, 15, 15]
    template = UnavailableTemplate(NOON, "gone", NOON + until_check(0))
    assert template.after_failed_check(NOON).next_check_at == NOON + CHECK_SECONDS[1] * SECOND


def test_only_faults_that_a_user_cannot_cause_count() -> None:
    assert {code for code in PROVIDER_FAULTS if not KINDS[code].is_fault} == set()
    assert PROVIDER_FAULTS.isdisjoint(
        {
            FailureCode.MODEL_UNAVAILABLE,
            FailureCode.OUTPUT_REJECTED,
            FailureCode.QUEUE_TIMEOUT,
            FailureCode.INTERNAL,
        }
    )
