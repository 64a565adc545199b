"""A refused account and faults in a row pause the provider, and a check or a success resumes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from darkroom import clock
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import GenerationFailed, ProviderQueueFull, RetryLater
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.provider_health import PauseReason, ProviderState
from darkroom.observability import Metric, metrics
from darkroom.services import provider_health
from darkroom.services.finish_job import finish
from darkroom.services.wait_for_slot import wait_for_slot
from darkroom.storage import attempts, jobs, provider_queue, provider_slots, provider_state
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, client, forget_settings, handler_of
from tests.builders import NOON, held_job, stored
from tests.integration.steps import at, key, sends
from tests.simulation.bugs import OUTPUT

pytestmark = pytest.mark.usefixtures("aws", "no_metrics")

CODES = ("flux-schnell", "flux-1.1-pro", "stable-diffusion-3.5-large")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def no_metrics() -> Iterator[None]:
    metrics.clear_metrics()
    yield
    metrics.clear_metrics()


@pytest.fixture
def replicate(simulated_replicate: SimulatedReplicate) -> SimulatedReplicate:
    set_faults(simulated_replicate)
    return simulated_replicate


def set_faults(replicate: SimulatedReplicate, **faults: float | str) -> None:
    settings = {"run_seconds": 30, **faults}
    requests.put(f"{replicate.base_url}/faults", json=settings, timeout=5).raise_for_status()


def counted(metric: Metric) -> list[float]:
    found = metrics.metric_set.get(metric.value)
    return list(found["Value"]) if found else []


def enter(job: Job, *, entered_at: datetime = NOON) -> None:
    event = key(job, task_token="token", entered_at=entered_at.isoformat(), retry_count=0)
    handler_of("request_prediction")(event | {"has_queue_state": True}, CONTEXT)


def state() -> ProviderState:
    return provider_state.read_state("replicate")


def check() -> None:
    provider_health.check_provider("replicate", lambda: False)


def refused_job(replicate: SimulatedReplicate, **faults: float | str) -> Job:
    """Let a job find that the provider refuses the account."""
    set_faults(replicate, **(faults or {"no_credit": 1}))
    job = held_job()
    with sends(ProviderQueueFull):
        enter(job)
    return stored(job)


class TestRefusedAccount:
    def test_the_job_returns_its_slot_and_waits_in_the_queue(
        self, replicate: SimulatedReplicate
    ) -> None:
        job = refused_job(replicate)

        assert (job.slot, job.deadline_at, job.failure) == (None, None, None)
        assert job.queue_key
        assert provider_slots.read_provider("replicate").slots == ()
        assert state().pause_reason is PauseReason.ACCOUNT

    @pytest.mark.parametrize(
        "faults", [{"unauthenticated": 1}, {"refuse": 1, "refusal": "spend_limit"}]
    )
    def test_other_jobs_wait_without_a_request(
        self, replicate: SimulatedReplicate, faults: dict[str, Any]
    ) -> None:
        refused_job(replicate, **faults)
        set_faults(replicate)
        other = held_job(account=AccountId("web", "bob"))

        with sends(ProviderQueueFull):
            enter(other)

        assert (stored(other).attempts, stored(other).slot) == ((), None)

    def test_the_job_keeps_its_turn_before_later_jobs(self, replicate: SimulatedReplicate) -> None:
        first = refused_job(replicate)
        later = held_job()
        wait_for_slot(later.account, later.job_id, task_token="later", state_entry="entry")

        provider_state.resume("replicate")
        granted, _ = provider_queue.grant_next("replicate", now=clock.now())

        assert granted
        assert granted.job_id == first.job_id

    @pytest.mark.parametrize("reason", list(PauseReason))
    @pytest.mark.usefixtures("replicate")
    def test_a_job_with_a_slot_sends_no_request_during_a_pause(self, reason: PauseReason) -> None:
        job, now = held_job(), clock.now()
        assert provider_queue.take(job, now=now)
        assert provider_state.pause("replicate", until=now + MINUTE, reason=reason, now=now)

        with sends(ProviderQueueFull):
            enter(stored(job))

        assert (stored(job).attempts, stored(job).slot) == ((), None)
        assert stored(job).queue_key

    def test_a_job_with_a_deadline_keeps_its_slot_and_sends_no_request(
        self, replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        set_faults(replicate, unavailable=1)
        with sends(RetryLater):
            enter(job)
        set_faults(replicate)
        now = clock.now() + MINUTE
        at(monkeypatch, now)
        assert provider_state.pause_until_check("replicate", PauseReason.FAULTS, now=now)

        with sends(RetryLater) as retry:
            enter(job, entered_at=NOON + MINUTE)

        waiting = stored(job)
        assert waiting.slot
        assert [attempt.requests_count for attempt in waiting.attempts] == [1]
        assert 60 <= (retry.at - now).total_seconds() <= 92
        assert waiting.deadline_at
        at(monkeypatch, waiting.deadline_at)
        with sends(GenerationFailed):
            enter(job, entered_at=NOON + 9 * MINUTE)
        assert stored(job).failure == failure(FailureCode.PROVIDER_UNAVAILABLE)

    def test_a_refused_poll_pauses_too_and_the_prediction_stays(
        self, replicate: SimulatedReplicate
    ) -> None:
        job = held_job()
        enter(job)
        set_faults(replicate, unauthenticated=1)

        with sends(RetryLater):
            enter(job, entered_at=NOON + MINUTE)

        assert state().pause_reason is PauseReason.ACCOUNT
        assert stored(job).slot
        assert stored(job).attempt is not None

    def test_a_waiting_job_ends_at_its_queue_time(
        self, replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = refused_job(replicate)
        at(monkeypatch, job.queue_until)

        with sends(GenerationFailed):
            enter(job, entered_at=NOON + 60 * MINUTE)

        assert stored(job).failure == failure(FailureCode.QUEUE_TIMEOUT)


class TestCheck:
    def test_a_check_that_succeeds_resumes_the_waiting_jobs(
        self, replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch, resumed: list[str]
    ) -> None:
        job = refused_job(replicate)
        set_faults(replicate)
        check()
        assert (resumed, counted(Metric.PROVIDERS_PAUSED)) == ([], [1])
        at(monkeypatch, clock.now() + MINUTE)

        check()

        assert resumed == ["token"]
        assert stored(job).slot
        assert counted(Metric.PROVIDERS_PAUSED) == [1, 0]
        assert not state().is_paused(clock.now())

    def test_a_check_that_fails_extends_the_pause_and_rings_again(
        self, replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch, resumed: list[str]
    ) -> None:
        refused_job(replicate, unauthenticated=1)
        metrics.clear_metrics()
        at(monkeypatch, later := clock.now() + MINUTE)

        check()

        assert resumed == []
        assert state().paused_until == later + 2 * MINUTE
        assert (counted(Metric.PROVIDERS_PAUSED), counted(Metric.PROVIDER_ACCOUNT_REFUSED)) == (
            [1],
            [1],
        )

    def test_a_stack_without_a_token_resumes_when_the_token_is_set(
        self, replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secret = os.environ["REPLICATE_TOKEN_SECRET"]
        client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
        forget_settings()
        refused_job(replicate, run_seconds=30)
        at(monkeypatch, clock.now() + MINUTE)
        check()
        assert state().pauses_count == 2
        client("secretsmanager").create_secret(Name=secret, SecretString="r8_new")
        at(monkeypatch, clock.now() + 2 * MINUTE)

        check()

        assert not state().is_paused(clock.now())

    def test_without_time_left_no_check_is_made(
        self, replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused_job(replicate)
        set_faults(replicate)
        at(monkeypatch, clock.now() + MINUTE)

        provider_health.check_provider("replicate", lambda: True)

        assert state().is_paused(clock.now())


def end(job: Job, *, code: FailureCode | None) -> Job:
    """End a job: with this failure, or completed."""
    reason = failure(code) if code else None
    return finish(job.account, job.job_id, reason=reason, now=clock.now())


def fail(
    count: int,
    *,
    code: FailureCode = FailureCode.PREDICTION_FAILED,
    users: int = 2,
) -> None:
    for number in range(count):
        account = AccountId("web", f"user-{number % users}")
        end(held_job(account=account, template=CODES[number % 3]), code=code)


class TestFaultsInARow:
    def test_ten_faults_over_three_templates_pause_the_provider(self) -> None:
        fail(9)
        assert not state().is_paused(clock.now())

        fail(1)

        assert state().pause_reason is PauseReason.FAULTS

    def test_the_faults_of_one_account_pause_nobody(self) -> None:
        fail(20, users=1)

        assert state().faults.count == 20
        assert not state().is_paused(clock.now())

    def test_a_provider_with_two_templates_is_paused_after_faults_of_both(self) -> None:
        image = {"image": "https://example.com/a.png"}
        jobs_of_runway: list[dict[str, Any]] = [
            {"template": "runway-gen4.5"},
            {"template": "runway-gen4-turbo", **image},
        ]

        for number in range(10):
            account = AccountId("web", f"user-{number % 3}")
            job = held_job(account=account, **jobs_of_runway[number % 2])
            end(job, code=FailureCode.PREDICTION_FAILED)

        runway = provider_state.read_state("runway")
        assert runway.pause_reason is PauseReason.FAULTS

    @pytest.mark.parametrize(
        "code", [FailureCode.REFUSED, FailureCode.INVALID_INPUT, FailureCode.QUEUE_TIMEOUT]
    )
    def test_other_failures_do_not_count(self, code: FailureCode) -> None:
        fail(10, code=code)

        assert state().faults.count == 0

    def test_a_repeated_end_counts_once(self) -> None:
        job = held_job()

        for _ in range(3):
            end(job, code=FailureCode.PREDICTION_FAILED)

        assert state().faults.count == 1

    def complete(self, job: Job) -> None:
        now = clock.now()
        attempt = attempts.begin_attempt(job, "entry", lease_until=now, now=now)
        assert attempt
        assert attempts.record_prediction(job, attempt, "prediction", now=now)
        assert jobs.record_output(stored(job), OUTPUT)
        assert end(stored(job), code=None).status is JobStatus.COMPLETED

    def test_a_success_of_a_later_job_ends_the_row_and_the_pause(self, resumed: list[str]) -> None:
        fail(9)
        late = held_job()
        assert provider_queue.take(late, now=clock.now())
        assert stored(late).provider_impaired
        waiting = held_job(account=AccountId("web", "bob"))
        fail(1)
        assert state().is_paused(clock.now())
        wait_for_slot(waiting.account, waiting.job_id, task_token="bob", state_entry="entry")

        self.complete(stored(late))

        assert state().faults.count == 0
        assert (state().paused_until, resumed) == (None, ["bob"])

    def test_a_success_of_a_job_from_before_the_row_does_not_count(self) -> None:
        early = held_job()
        assert provider_queue.take(early, now=clock.now())
        fail(3)

        self.complete(stored(early))

        assert state().faults.count == 3

    @pytest.mark.usefixtures("replicate")
    def test_after_a_check_one_more_fault_pauses_for_longer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fail(10)
        at(monkeypatch, now := clock.now() + MINUTE)
        check()
        assert not state().is_paused(now)

        fail(1)

        assert state().paused_until == now + 2 * MINUTE

    def test_an_error_of_the_table_does_not_fail_the_end_of_a_job(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        monkeypatch.setattr(provider_state, "record_fault", lambda *_: 1 / 0)

        assert end(job, code=FailureCode.PREDICTION_FAILED).status is JobStatus.FAILED
