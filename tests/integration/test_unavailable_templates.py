"""A template whose model is unavailable refuses new jobs and fails waiting ones, until a check."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests

from darkroom import catalog, clock
from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus
from darkroom.observability import Metric, metrics
from darkroom.providers import replicate
from darkroom.services import provider_health
from darkroom.services.finish_job import finish_step
from darkroom.storage import ledger, provider_queue, provider_state
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, forget_settings, handler_of
from tests.builders import ANN, NOON, call_api, held_job, open_account, stored
from tests.integration.api.calls import ADMIN
from tests.integration.provider_slots import stable_diffusion_job
from tests.integration.steps import at, key, sends, with_setting

pytestmark = pytest.mark.usefixtures("aws")

CODE = "flux-schnell"
BODY = {"template": CODE, "parameters": {"prompt": "a lighthouse"}}
MINUTE = timedelta(minutes=1)


def mark(code: str = CODE) -> None:
    provider_state.mark_unavailable("replicate", code, "gone", clock.now())
    forget_settings()


def enter(job: Job) -> None:
    event = key(job, task_token="token", entered_at=NOON.isoformat(), retry_count=0)
    handler_of("request_prediction")(event | {"has_queue_state": True}, CONTEXT)


def unavailable(provider: str = "replicate") -> set[str]:
    return set(provider_state.read_state(provider).unavailable)


class TestSubmit:
    def test_a_submit_is_refused_with_the_template_and_the_next_check(self) -> None:
        open_account(100)
        mark()

        status, problem, headers = call_api("POST", "/jobs", body=BODY)

        assert (status, problem["type"]) == (503, "/problems/model-unavailable")
        assert (problem["template"], problem["charged"], problem["retryable"]) == (CODE, 0, True)
        assert CODE in problem["detail"]
        assert 55 <= int(headers["Retry-After"]) <= 60
        assert ledger.balance(ANN).held == 0

    def test_a_quote_and_a_rerun_are_refused_too(self) -> None:
        job = held_job()
        finish_step(job.account, job.job_id, error_name="GenerationFailed", now=clock.now())
        mark()

        quoted = call_api("POST", f"/templates/{CODE}/quote", body={"parameters": {"prompt": "x"}})
        rerun = call_api("POST", "/jobs", body={"rerun_of": job.job_id})

        assert [quoted[0], rerun[0]] == [503, 503]
        assert [quoted[1]["template"], rerun[1]["template"]] == [CODE, CODE]

    def test_a_wrong_request_is_told_what_is_wrong(self) -> None:
        mark()

        assert call_api("POST", "/jobs", body={**BODY, "parameters": {}})[0] == 422

    def test_other_templates_are_accepted(self) -> None:
        open_account(100)
        mark()

        assert call_api("POST", "/jobs", body={**BODY, "template": "flux-dev"})[0] == 202

    def test_a_repeat_of_an_accepted_request_returns_its_job(self) -> None:
        open_account(100)
        headers = {"idempotency-key": "one"}
        first = call_api("POST", "/jobs", body=BODY, headers=headers)
        mark()

        again = call_api("POST", "/jobs", body=BODY, headers=headers)

        assert [first[0], again[0]] == [202, 202]
        assert again[1]["id"] == first[1]["id"]

    def test_with_a_daily_ceiling_the_refusal_is_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(100)
        with_setting(monkeypatch, "DAILY_SPEND_USD_MAX", 5)
        mark()

        assert call_api("POST", "/jobs", body=BODY)[1]["type"] == "/problems/model-unavailable"


class TestWaitingJobs:
    def test_a_job_without_a_slot_fails_without_a_request(self) -> None:
        job = held_job()
        mark()

        # Nothing listens at the provider's address.
        with sends(GenerationFailed):
            enter(job)

        assert stored(job).failure == failure(FailureCode.MODEL_UNAVAILABLE)
        assert (stored(job).attempts, stored(job).slot) == ((), None)

    def test_a_waiting_job_fails_at_its_turn_and_is_refunded(self) -> None:
        job = held_job()
        assert provider_queue.enqueue(job, "token", "2026-01-01", now=NOON)
        mark()
        granted, _ = provider_queue.grant_next("replicate", now=clock.now())
        assert granted

        with sends(GenerationFailed) as failed:
            enter(granted)
        finish_step(job.account, job.job_id, error_name=failed.error, now=clock.now())

        ended = stored(job)
        assert (ended.status, ended.refunded, ended.attempts) == (
            JobStatus.FAILED,
            ended.quoted,
            (),
        )
        assert provider_queue.entries_before("replicate", None, limit=1) == []

    def test_a_job_with_the_model_of_an_earlier_version_is_not_concerned(self) -> None:
        job = held_job()
        earlier = replace(job, model_input=replace(job.model_input, model="a/former"))
        mark()

        assert provider_queue.take(earlier, now=clock.now())


class TestMark:
    @pytest.fixture(autouse=True)
    def replicate_of_this_test(self, simulated_replicate: SimulatedReplicate) -> None:
        self.replicate = simulated_replicate

    def faults(self, **faults: Any) -> None:
        url = f"{self.replicate.base_url}/faults"
        requests.put(url, json=faults, timeout=5).raise_for_status()

    @pytest.mark.parametrize("refusal", ["invalid_version", "not_found", "gone", "moved"])
    def test_a_refused_create_marks_the_template(self, refusal: str) -> None:
        self.faults(refuse=1, refusal=refusal)

        with sends(GenerationFailed):
            enter(held_job())

        assert unavailable() == {CODE}

    @pytest.mark.parametrize("refusal", ["detail_only", "sensitive", "legal"])
    def test_another_refusal_does_not(self, refusal: str) -> None:
        self.faults(refuse=1, refusal=refusal)

        with sends(GenerationFailed):
            enter(held_job())

        assert unavailable() == set()

    def test_a_former_model_of_a_waiting_job_does_not_mark_the_template(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        self.faults(refuse=1)
        newer = replace(catalog.template(CODE), model="a/newer", version=9)
        monkeypatch.setattr(catalog, "template", lambda *_: newer)

        with sends(GenerationFailed):
            enter(job)

        assert unavailable() == set()

    def test_a_check_makes_the_template_available_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(100)
        mark()
        metrics.clear_metrics()
        provider_health.check_provider("replicate", lambda: False)
        assert metrics.metric_set[Metric.MODELS_UNAVAILABLE.value]["Value"] == [1]
        assert call_api("POST", "/jobs", body=BODY)[0] == 503
        at(monkeypatch, clock.now() + MINUTE)

        provider_health.check_provider("replicate", lambda: False)

        assert Metric.MODELS_UNAVAILABLE.value not in metrics.metric_set
        assert call_api("POST", "/jobs", body=BODY)[0] == 202

    def test_a_check_that_finds_no_model_or_no_answer_is_repeated_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mark()
        retired = replace(catalog.template(CODE), model="nobody/nothing")
        at(monkeypatch, first := clock.now() + MINUTE)
        with monkeypatch.context() as patch:
            patch.setattr(catalog, "template", lambda *_: retired)
            provider_health.check_provider("replicate", lambda: False)
        state = provider_state.read_state("replicate").unavailable[CODE]
        assert state.next_check_at == first + 2 * MINUTE
        self.faults(unavailable=1)
        at(monkeypatch, second := state.next_check_at)

        provider_health.check_provider("replicate", lambda: False)

        state = provider_state.read_state("replicate").unavailable[CODE]
        assert state.next_check_at == second + 4 * MINUTE

    def test_a_check_that_crashes_does_not_stop_the_other_checks(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mark("flux-dev")
        mark()
        crashing = catalog.template("flux-dev").model
        monkeypatch.setattr(
            replicate, "is_offered", lambda model: 1 / 0 if model == crashing else True
        )
        metrics.clear_metrics()
        at(monkeypatch, clock.now() + MINUTE)

        provider_health.check_provider("replicate", lambda: False)

        assert unavailable() == {"flux-dev"}
        values = {name: found["Value"] for name, found in metrics.metric_set.items()}
        assert values == {
            Metric.PROVIDERS_PAUSED.value: [0],
            Metric.MODELS_UNAVAILABLE.value: [1],
            Metric.RECOVERIES_FAILED.value: [1],
        }

    def test_a_template_that_a_deployment_removed_is_forgotten(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mark("a-former-template")
        at(monkeypatch, clock.now() + MINUTE)

        provider_health.check_provider("replicate", lambda: False)

        assert unavailable() == set()


def test_a_missing_sampler_does_not_refuse_the_other_samplers() -> None:
    job = stable_diffusion_job("ann")
    sampler = GenerationFailed(failure(FailureCode.MODEL_UNAVAILABLE), concerns_template=False)

    provider_health.record_refused_create(job, sampler, now=clock.now())

    assert unavailable("stable_diffusion") == set()


def test_administrators_see_unavailable_and_drifting_templates() -> None:
    mark()
    provider_state.mark_drift("replicate", {"sdxl": "the field seed is missing"})
    provider_state.record_fault("replicate", "sdxl", "web/ann")

    status, document, _ = call_api("GET", "/admin/providers", **ADMIN)

    assert status == 200
    (found,) = [each for each in document["providers"] if each["name"] == "replicate"]
    (template,) = found["unavailable_templates"]
    assert (template["template"], template["reason"]) == (CODE, "gone")
    assert template["since"] < template["next_check_at"]
    assert found["drifting_templates"] == [
        {"template": "sdxl", "difference": "the field seed is missing"}
    ]
    assert found["faults"] == {"in_a_row": 1, "templates": ["sdxl"]}
