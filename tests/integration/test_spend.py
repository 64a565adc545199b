"""The daily spend: what providers bill, the ceiling in USD, and the pause until midnight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from darkroom.domain.jobs import Job
from darkroom.domain.provider_health import PauseReason, ProviderState
from darkroom.domain.usage import TemplateSpend
from darkroom.observability import Metric, metrics
from darkroom.services import spend as spend_service
from darkroom.services.finish_job import finish
from darkroom.storage import attempts, jobs, ledger, provider_state, spend
from darkroom.storage.queue_rows import ProviderStateRow
from darkroom.storage.table import SpendRow
from tests.builders import ANN, held_job, image_job, open_account, stored
from tests.integration.api.calls import BODY, submit
from tests.integration.broken_aws import AwsError, failing_calls
from tests.integration.steps import at, with_setting

pytestmark = pytest.mark.usefixtures("aws", "no_metrics")

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC)
TODAY = date(2026, 11, 30)
DEV = "flux-dev"
DEV_USD = 0.025


@pytest.fixture
def no_metrics() -> Iterator[None]:
    metrics.clear_metrics()
    yield
    metrics.clear_metrics()


def counted(metric: Metric) -> float:
    """Return the sum of a metric since the beginning of the test."""
    found = metrics.metric_set.get(metric.value)
    return sum(found["Value"]) if found else 0


def ceiling(monkeypatch: pytest.MonkeyPatch, usd: float) -> None:
    with_setting(monkeypatch, "DAILY_SPEND_USD_MAX", usd)


def record(count: int, *, now: datetime = NOON, template: str = DEV, **parameters: Any) -> None:
    """Record predictions of jobs. One of flux-dev costs 0.025 USD."""
    for _ in range(count):
        spend_service.record(image_job(template=template, now=now, **parameters), now=now)


def spent(
    provider: str = "replicate", first: date = TODAY, last: date = TODAY
) -> list[TemplateSpend]:
    return list(spend.spend_between(provider, first, last))


def state(provider: str = "replicate") -> ProviderState:
    return provider_state.read_state(provider)


def set_pause(until: datetime, reason: str | None) -> None:
    """Pause Replicate as an administrator or another part of Darkroom does."""
    ProviderStateRow("SLOT#replicate", "state", paused_until=until, pause_reason=reason).save()


def started(job: Job, *, now: datetime = NOON) -> Job:
    """Record a prediction of the job, as the step RequestPrediction does."""
    attempt = attempts.begin_attempt(job, "entry", lease_until=now, now=now)
    assert attempt
    assert attempts.record_prediction(job, attempt, "prediction", now=now)
    return stored(job)


@pytest.fixture
def paused(aws: None, no_metrics: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pause Replicate by the ceiling, at noon. Half a second has passed since."""
    ceiling(monkeypatch, DEV_USD)
    open_account(100)
    record(1)
    at(monkeypatch, NOON + timedelta(seconds=0.5))


class TestCounters:
    def test_a_prediction_adds_the_cost_of_its_parameters_to_its_day_and_template(self) -> None:
        record(2)
        record(1, template="flux-schnell", num_outputs=4)
        record(1, template="seedance-2.0-fast", duration=4, resolution="480p")
        record(1, template="sd-webui")

        assert spent() == [
            TemplateSpend(TODAY, "replicate", "flux-dev", 2, 50_000),
            TemplateSpend(TODAY, "replicate", "flux-schnell", 1, 12_000),
            TemplateSpend(TODAY, "replicate", "seedance-2.0-fast", 1, 280_000),
        ]
        assert spent("stable_diffusion") == [
            TemplateSpend(TODAY, "stable_diffusion", "sd-webui", 1)
        ]

    def test_the_total_of_a_day_is_the_sum_of_its_templates(self) -> None:
        totals = [
            spend.add_prediction("replicate", template, micro_usd, now=NOON)
            for template, micro_usd in [("a", 1), ("b.1", 20), ("a", 300)]
        ]

        assert totals == [1, 21, 321]
        assert sum(each.micro_usd for each in spent()) == 321

    def test_a_day_ends_at_midnight_utc(self) -> None:
        for moment in (MIDNIGHT - timedelta(microseconds=1), MIDNIGHT):
            record(1, now=moment)

        days = [each.day for each in spent(last=date(2026, 12, 1))]
        assert days == [TODAY, date(2026, 12, 1)]
        assert len(spent()) == 1

    def test_an_error_of_the_table_is_logged_and_not_raised(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        client = SpendRow._get_connection().connection.client

        with failing_calls(client, "UpdateItem", AwsError("AccessDeniedException")) as calls:
            record(1)

        assert calls == ["AccessDeniedException"]
        assert [each.message for each in caplog.records] == ["spend not recorded"]
        assert spent() == []


class TestCeiling:
    def test_without_a_ceiling_nothing_is_compared(self) -> None:
        record(10)

        assert state() == ProviderState()
        assert not metrics.metric_set

    def test_80_percent_counts_once_and_pauses_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ceiling(monkeypatch, 10 * DEV_USD)

        record(7)
        assert counted(Metric.SPEND_NEAR_CEILING) == 0
        record(1)
        assert counted(Metric.SPEND_NEAR_CEILING) == 1
        record(1)

        assert counted(Metric.SPEND_NEAR_CEILING) == 1
        assert counted(Metric.SPEND_CEILING_REACHED) == 0
        assert not state().is_paused(NOON)

    def test_100_percent_pauses_until_midnight_and_counts_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ceiling(monkeypatch, 10 * DEV_USD)

        record(9)
        assert not state().is_paused(NOON)
        record(1)
        record(1)

        assert (state().paused_until, state().pause_reason) == (MIDNIGHT, PauseReason.SPEND)
        assert counted(Metric.SPEND_CEILING_REACHED) == 1
        assert counted(Metric.SPEND_NEAR_CEILING) == 1

    def test_the_pause_ends_at_midnight_and_the_next_day_counts_from_zero(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ceiling(monkeypatch, 2 * DEV_USD)
        record(2)

        assert state().is_paused(MIDNIGHT - timedelta(microseconds=1))
        assert not state().is_paused(MIDNIGHT)
        record(1, now=MIDNIGHT)
        assert not state().is_paused(MIDNIGHT)
        record(1, now=MIDNIGHT)

        assert state().paused_until == MIDNIGHT + timedelta(days=1)
        assert counted(Metric.SPEND_CEILING_REACHED) == 2
        assert counted(Metric.SPEND_NEAR_CEILING) == 2

    def test_each_provider_has_its_own_ceiling(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ceiling(monkeypatch, 0.6)

        record(1, template="runway-gen4.5", prompt="a cat")
        record(23)

        assert state("runway").is_paused(NOON)
        assert not state("replicate").is_paused(NOON)

    @pytest.mark.parametrize("reason", ["by hand", None])
    @pytest.mark.parametrize("hours", [1, 48])
    def test_a_pause_for_another_reason_is_not_changed(
        self, monkeypatch: pytest.MonkeyPatch, reason: str | None, hours: int
    ) -> None:
        ceiling(monkeypatch, DEV_USD)
        until = NOON + timedelta(hours=hours)
        set_pause(until, reason)

        record(2)

        row = ProviderStateRow.get("SLOT#replicate", "state")
        assert (row.paused_until, row.pause_reason) == (until, reason)
        assert counted(Metric.SPEND_CEILING_REACHED) == 0

    def test_a_pause_that_is_over_does_not_prevent_the_pause(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ceiling(monkeypatch, DEV_USD)
        set_pause(NOON, "by hand")

        record(1)

        assert (state().paused_until, state().pause_reason) == (MIDNIGHT, PauseReason.SPEND)

    def test_the_virtual_time_of_the_queue_survives_the_pause(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ceiling(monkeypatch, DEV_USD)
        ProviderStateRow("SLOT#replicate", "state", virtual_time=7).save()

        record(1)

        assert state().virtual_time == 7


class TestNewJobs:
    @pytest.mark.usefixtures("paused")
    def test_are_refused_with_the_seconds_until_midnight(self) -> None:
        status, problem, headers = submit()

        assert (status, problem["type"]) == (503, "/problems/provider-paused")
        assert headers["Retry-After"] == str(12 * 3600)
        assert (problem["retryable"], problem["charged"]) == (True, 0)
        assert ledger.balance(ANN).available == 100

    @pytest.mark.usefixtures("paused")
    def test_are_accepted_from_midnight_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        at(monkeypatch, MIDNIGHT - timedelta(seconds=0.25))
        status, _, headers = submit()
        assert (status, headers["Retry-After"]) == (503, "1")

        at(monkeypatch, MIDNIGHT)
        assert submit()[0] == 202

    @pytest.mark.usefixtures("paused")
    def test_of_another_provider_are_accepted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "PROVIDERS", "replicate,stable_diffusion")
        body = BODY | {"template": "sd-webui"}

        assert submit(body=body)[0] == 202

    def test_a_repeat_of_an_accepted_request_returns_its_job(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(100)
        ceiling(monkeypatch, DEV_USD)
        at(monkeypatch, NOON)
        key = {"headers": {"content-type": "application/json", "idempotency-key": "order 1"}}
        _, accepted, _ = submit(**key)
        record(1)

        status, repeated, headers = submit(**key)

        assert (status, repeated["id"]) == (202, accepted["id"])
        assert headers["Idempotency-Replayed"] == "true"
        assert submit()[0] == 503

    def test_are_accepted_while_the_provider_is_paused_for_another_reason(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(100)
        ceiling(monkeypatch, DEV_USD)
        at(monkeypatch, NOON)
        set_pause(NOON + timedelta(hours=1), None)

        assert submit()[0] == 202


class TestStartedCancels:
    def canceled(self, job: Job) -> Job:
        assert jobs.request_cancel(job, next_check_at=NOON, now=NOON)
        return finish(job.account, job.job_id, now=NOON)

    def test_a_cancel_after_the_start_counts_the_cost_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("darkroom.services.finish_job.cancel_predictions", lambda _: None)
        job = started(held_job(template=DEV))

        ended = self.canceled(job)
        finish(job.account, job.job_id, now=NOON)

        assert ended.refunded == ended.quoted
        assert (counted(Metric.STARTED_CANCELS), counted(Metric.STARTED_CANCEL_USD)) == (1, DEV_USD)
        (row,) = spent()
        assert row == TemplateSpend(TODAY, "replicate", DEV, canceled=1, canceled_micro_usd=25_000)

    def test_a_cancel_before_the_start_counts_nothing(self) -> None:
        self.canceled(held_job(template=DEV))

        assert counted(Metric.STARTED_CANCELS) == 0
        assert spent() == []

    def test_the_entry_of_the_end_has_the_cost_of_the_predictions(self) -> None:
        failed, unstarted = started(held_job(template=DEV)), held_job(template=DEV)

        for job in (failed, unstarted):
            ledger.resolve(job.account, job.job_id, now=NOON)

        costs = {
            entry.job_id: entry.cost_micro_usd
            for entry in ledger.entries(ANN, limit=10, cursor=None).items
            if entry.kind == "release"
        }
        assert costs == {failed.job_id: 25_000, unstarted.job_id: 0}

    def test_a_job_without_a_stored_cost_counts_its_prediction_and_no_cost(self) -> None:
        spend_service.record(replace(image_job(template=DEV), cost_micro_usd=0), now=NOON)

        assert spent() == [TemplateSpend(TODAY, "replicate", DEV, 1, 0)]
