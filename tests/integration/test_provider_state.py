"""The stored state of a provider: pauses, faults in a row, unavailable and drifting templates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from darkroom.domain.provider_health import PauseReason, ProviderState, until_check
from darkroom.storage import provider_state, transactions
from darkroom.storage.queue_rows import ProviderStateRow
from tests.builders import NOON

pytestmark = pytest.mark.usefixtures("aws")

P = "replicate"
CODES = ("flux-schnell", "flux-1.1-pro", "sdxl")
MINUTE = timedelta(minutes=1)


def state() -> ProviderState:
    return provider_state.read_state(P)


def pause(reason: PauseReason = PauseReason.ACCOUNT, *, now: datetime = NOON) -> bool:
    return provider_state.pause_until_check(P, reason, now=now)


def add_faults(count: int, *accounts: str) -> None:
    for number in range(count):
        provider_state.record_fault(P, CODES[number % 3], accounts[number % len(accounts)])


class TestPause:
    def test_a_pause_is_stored_once_and_keeps_its_reason(self) -> None:
        assert pause()
        assert not pause(PauseReason.FAULTS, now=NOON + 5 * MINUTE)

        assert state().pause_reason is PauseReason.ACCOUNT
        assert state().paused_until == NOON + MINUTE

    def test_each_failed_check_delays_the_next_one(self) -> None:
        assert pause()
        delays = []
        for _ in range(5):
            known = state()
            assert known.paused_until
            assert provider_state.extend_pause(P, known, now=known.paused_until)
            delays.append(state().paused_until - known.paused_until)  # type: ignore[operator]

        assert delays == [minutes * MINUTE for minutes in (2, 4, 8, 15, 15)]

    def test_a_check_that_was_overtaken_changes_nothing(self) -> None:
        assert pause()
        known = state()
        assert provider_state.extend_pause(P, known, now=NOON + MINUTE)

        assert not provider_state.extend_pause(P, known, now=NOON + MINUTE)
        assert not provider_state.resume_after_check(P, known)
        assert state().is_paused(NOON + 3 * MINUTE)

    def test_the_next_pause_without_a_success_is_longer(self) -> None:
        for minutes in (1, 2, 4):
            assert pause()
            assert state().paused_until == NOON + minutes * MINUTE
            assert provider_state.resume_after_check(P, state())

        provider_state.record_success(P)

        assert pause()
        assert state().paused_until == NOON + MINUTE

    def test_the_daily_ceiling_replaces_a_pause_whose_check_is_due(self) -> None:
        assert pause()
        midnight = NOON + 12 * 60 * MINUTE
        known = state()

        assert provider_state.pause(
            P, until=midnight, reason=PauseReason.SPEND, now=NOON + 2 * MINUTE
        )
        assert not provider_state.resume_after_check(P, known)

        assert state().pause_reason is PauseReason.SPEND


class TestFaults:
    def test_faults_are_counted_with_their_templates_and_accounts(self) -> None:
        add_faults(4, "web/ann", "web/bob")

        faults = state().faults
        assert (faults.count, faults.templates, faults.accounts) == (
            4,
            CODES,
            ("web/ann", "web/bob"),
        )

    def test_a_fault_of_another_writer_is_not_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original, overtakes = transactions.update, [1]

        def update(*arguments: Any) -> bool:
            if overtakes:
                overtakes.pop()
                provider_state.record_fault(P, CODES[1], "web/bob")
            return original(*arguments)

        monkeypatch.setattr(provider_state, "update", update)

        assert provider_state.record_fault(P, CODES[0], "web/ann").count == 2
        assert state().faults.count == 2

    def test_a_success_ends_the_row_and_a_pause_by_faults(self) -> None:
        add_faults(3, "web/ann")
        assert pause(PauseReason.FAULTS)

        assert provider_state.record_success(P)

        assert (state().faults.count, state().paused_until, state().is_impaired) == (0, None, False)

    def test_a_success_does_not_end_the_pause_of_a_refused_account(self) -> None:
        add_faults(1, "web/ann")
        assert pause(PauseReason.ACCOUNT)

        assert not provider_state.record_success(P)

        assert state().is_paused(NOON + MINUTE)
        assert state().faults.count == 0

    def test_a_check_ends_the_pause_and_keeps_the_faults(self) -> None:
        add_faults(10, "web/ann", "web/bob")
        assert pause(PauseReason.FAULTS)

        assert provider_state.resume_after_check(P, state())

        assert (state().faults.count, len(state().faults.accounts)) == (10, 2)
        assert not state().is_paused(NOON)


class TestTemplates:
    def test_a_template_is_marked_once_until_it_is_cleared(self) -> None:
        assert provider_state.mark_unavailable(P, CODES[0], "gone", NOON)
        assert not provider_state.mark_unavailable(P, CODES[0], "again", NOON + MINUTE)
        assert provider_state.mark_unavailable(P, CODES[1], "gone", NOON)

        marked = state().unavailable
        assert set(marked) == {*CODES[:2]}
        assert (marked[CODES[0]].since, marked[CODES[0]].reason) == (NOON, "gone")
        assert marked[CODES[0]].next_check_at == NOON + until_check(0)
        assert provider_state.clear_unavailable(P, CODES[0])
        assert not provider_state.clear_unavailable(P, CODES[0])
        assert set(state().unavailable) == {CODES[1]}

    def test_a_failed_check_delays_the_next_one_of_its_template_only(self) -> None:
        for code in CODES[:2]:
            provider_state.mark_unavailable(P, code, "gone", NOON)

        provider_state.delay_check(P, CODES[0], NOON + MINUTE)
        provider_state.delay_check(P, CODES[2], NOON + MINUTE)

        found = state().unavailable
        assert set(found) == {*CODES[:2]}
        assert found[CODES[0]].next_check_at == NOON + 3 * MINUTE
        assert found[CODES[1]].next_check_at == NOON + MINUTE

    def test_the_last_result_of_the_drift_check_replaces_the_one_before(self) -> None:
        provider_state.mark_drift(P, {CODES[0]: "the field seed is missing", CODES[1]: "renamed"})
        provider_state.mark_drift(P, {CODES[1]: "renamed"})

        assert state().drifting == {CODES[1]: "renamed"}

    def test_a_state_is_read_again_after_ten_seconds(self) -> None:
        assert provider_state.recent_state(P, now=NOON).unavailable == {}
        provider_state.mark_unavailable(P, CODES[0], "gone", NOON)

        ages = (1, 10, 10.1)
        known = [
            len(provider_state.recent_state(P, now=NOON + timedelta(seconds=age)).unavailable)
            for age in ages
        ]

        assert known == [0, 0, 1]

    def test_the_row_of_an_earlier_release_is_a_healthy_provider(self) -> None:
        ProviderStateRow("SLOT#replicate", "state", virtual_time=7).save()

        assert state() == ProviderState(virtual_time=7)
