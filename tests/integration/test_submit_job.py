"""Submitting a job: reruns, idempotency keys, the pause, and welcome credits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from uuid6 import uuid7

from darkroom import catalog
from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import NotFound, WorkflowUnavailable
from darkroom.domain.jobs import Job
from darkroom.domain.templates import new_job
from darkroom.services import delete_job
from darkroom.settings import settings
from darkroom.storage import jobs, ledger
from tests.builders import ANN, call_api, held_job, open_account, stored
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")

BODY: dict[str, Any] = {
    "template": "flux-schnell",
    "parameters": {"prompt": "a lighthouse", "num_outputs": 2, "seed": 7},
}
ADMIN = {"user": "root", "cognito:groups": "[admin]"}


@pytest.fixture(autouse=True)
def no_executions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no executions: each job stays as it was submitted."""
    monkeypatch.setattr(workflow_adapter, "start", lambda _: None)


def submit(body: object = BODY, **event: Any) -> tuple[int, Any, dict[str, str]]:
    return call_api("POST", "/jobs", body=body, **event)


def with_key(key: str) -> dict[str, Any]:
    return {"headers": {"idempotency-key": key}}


def fields(problem: dict[str, Any]) -> set[str]:
    return {error["field"] for error in problem["errors"]}


def resolved(job: Job) -> Job:
    """End the job as failed, and close its check."""
    final = ledger.resolve(job.account, job.job_id, now=datetime.now(UTC))
    jobs.leave_open_jobs(final)
    return final


class TestRerun:
    def test_rerun_uses_the_jobs_template_and_parameters(self) -> None:
        open_account(100)
        first = submit()[1]
        resolved(jobs.read(ANN, first["id"]))

        status, rerun, _ = submit({"rerun_of": first["id"], "metadata": {"order": 2}})

        assert status == 202
        assert rerun["id"] != first["id"]
        assert (rerun["template"], rerun["parameters"], rerun["credits"]) == (
            first["template"],
            first["parameters"],
            first["credits"],
        )
        assert rerun["metadata"] == {"order": 2}
        assert ledger.balance(ANN).held == 20

    def test_rerun_names_the_value_that_the_model_no_longer_accepts(self) -> None:
        open_account(100)
        job = new_job(
            catalog.template("flux-1.1-pro", 2),
            {"prompt": "a lighthouse", "aspect_ratio": "21:9"},
            account=ANN,
            job_id=str(uuid7()),
            prices=settings().prices,
            now=datetime.now(UTC),
            queue_seconds_max=60,
        )
        resolved(ledger.hold(job, key=None, now=job.created_at)[0])

        status, problem, _ = submit({"rerun_of": job.job_id})
        found = call_api("GET", f"/jobs/{job.job_id}")[1]

        (error,) = problem["errors"]
        assert (status, error["field"]) == (422, "parameters.aspect_ratio")
        assert error["message"].startswith("Must be one of 1:1, 16:9, 3:2, ")
        assert found["parameters"]["aspect_ratio"] == "21:9"
        assert found["template"]["version"] == 2
        assert ledger.balance(ANN).held == 0

    @pytest.mark.parametrize(("before", "after"), [("low", "high"), ("high", "low")])
    def test_rerun_sends_the_fixed_value_of_today(
        self, monkeypatch: pytest.MonkeyPatch, before: str, after: str
    ) -> None:
        expected = {"low": "block_only_high", "high": "block_low_and_above"}
        open_account(100)
        with_setting(monkeypatch, "MODERATION_MIN", before)
        parameters = {"prompt": "a", "resolution": "1K"}
        first = submit({"template": "nano-banana-pro", "parameters": parameters})[1]
        resolved(jobs.read(ANN, first["id"]))
        with_setting(monkeypatch, "MODERATION_MIN", after)

        status, rerun, _ = submit({"rerun_of": first["id"]})

        assert first["parameters"]["safety_filter_level"] == expected[before]
        assert status == 202
        assert rerun["parameters"] == first["parameters"] | {"safety_filter_level": expected[after]}

    def test_refuses_rerun_of_an_open_job(self) -> None:
        job = held_job()

        status, problem, _ = submit({"rerun_of": job.job_id})

        assert (status, fields(problem)) == (422, {"rerun_of"})
        assert ledger.balance(ANN).jobs_total == 1

    @pytest.mark.parametrize("job_id", ["nonsense", "", "01a2041b-9344-7a89-96bd-f73189540bdf"])
    def test_refuses_rerun_of_an_unknown_job(self, job_id: str) -> None:
        status, problem, _ = submit({"rerun_of": job_id})

        assert (status, fields(problem)) == (422, {"rerun_of"})

    def test_refuses_rerun_of_another_accounts_job(self) -> None:
        job = held_job()
        resolved(job)
        open_account(100, AccountId("web", "bob"))

        status, problem, _ = submit({"rerun_of": job.job_id}, user="bob")

        assert (status, fields(problem)) == (422, {"rerun_of"})

    @pytest.mark.parametrize(
        ("body", "invalid_fields"),
        [
            ({}, {"template", "parameters"}),
            ({"template": "flux-schnell"}, {"parameters"}),
            ({"parameters": {}}, {"template"}),
            ({"rerun_of": "x", "template": "flux-schnell"}, {"template"}),
            ({"rerun_of": "x", "parameters": {}}, {"parameters"}),
        ],
    )
    def test_requires_either_template_and_parameters_or_rerun_of(
        self, body: dict[str, Any], invalid_fields: set[str]
    ) -> None:
        status, problem, _ = submit(body)

        assert (status, fields(problem)) == (422, invalid_fields)

    def test_refuses_rerun_with_a_retired_template(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = held_job()
        resolved(job)
        others = tuple(code for code in catalog.codes() if code != "flux-schnell")
        monkeypatch.setattr(catalog, "codes", lambda: others)

        status, problem, _ = submit({"rerun_of": job.job_id})

        assert (status, fields(problem)) == (422, {"rerun_of"})


class TestIdempotencyKey:
    def test_repeated_request_returns_the_job_after_a_catalog_change(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(100)
        first = submit(**with_key("k"))[1]
        monkeypatch.setattr(catalog, "codes", tuple)

        status, second, headers = submit(**with_key("k"))

        assert (status, second["id"], headers["Idempotency-Replayed"]) == (202, first["id"], "true")
        assert submit()[0] == 422

    def test_repeated_request_starts_the_missing_execution(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(100)

        def fail_to_start(_: Job) -> None:
            raise WorkflowUnavailable("test")

        with monkeypatch.context() as patch:
            patch.setattr(workflow_adapter, "start", fail_to_start)
            first = submit(**with_key("k"))[1]
        started: list[str] = []
        monkeypatch.setattr(workflow_adapter, "start", lambda job: started.append(job.job_id))

        assert submit(**with_key("k"))[1]["id"] == first["id"]

        assert started == [first["id"]]

    def test_repeated_request_for_a_deleted_job_is_not_found(self) -> None:
        open_account(100)
        first = submit(**with_key("k"))[1]
        resolved(jobs.read(ANN, first["id"]))
        delete_job.delete(ANN, first["id"], now=datetime.now(UTC))

        status, problem, _ = submit(**with_key("k"))

        assert (status, problem["detail"]) == (
            404,
            "There is no such job: the job of this Idempotency-Key was deleted. Use a new key.",
        )
        assert ledger.balance(ANN).jobs_total == 0


class TestPausedSubmission:
    def pause(self, paused: object = True, **caller: Any) -> Any:  # noqa: FBT002
        return call_api("PUT", "/admin/paused", body={"paused": paused}, **(caller or ADMIN))

    def test_pause_refuses_jobs_and_charges_nothing(self) -> None:
        open_account(100)
        assert self.pause()[0] == 200

        status, problem, headers = submit()

        assert (status, problem["type"]) == (503, "/problems/paused")
        assert (problem["retryable"], headers["Retry-After"]) == (True, "60")
        assert ledger.balance(ANN).available == 100

    def test_pause_returns_the_job_of_a_repeated_request(self) -> None:
        open_account(100)
        first = submit(**with_key("k"))[1]
        self.pause()

        assert submit(**with_key("k"))[1]["id"] == first["id"]
        assert submit(**with_key("other"))[0] == 503

    def test_pause_does_not_block_reads_and_cancellations(self) -> None:
        job = held_job()
        self.pause()

        assert call_api("GET", f"/jobs/{job.job_id}")[0] == 200
        assert call_api("POST", f"/jobs/{job.job_id}/cancel")[0] == 202

    def test_submission_works_after_the_pause(self) -> None:
        open_account(100)
        self.pause()
        self.pause(paused=False)

        assert submit()[0] == 202

    def test_only_an_administrator_can_pause(self) -> None:
        assert self.pause(user="ann")[0] == 403
        open_account(100)
        assert submit()[0] == 202

    @pytest.mark.parametrize("paused", ["true", 1, None])
    def test_pause_requires_a_boolean(self, paused: object) -> None:
        status, problem, _ = self.pause(paused)

        assert (status, fields(problem)) == (422, {"paused"})


class TestWelcomeCredits:
    @pytest.fixture(autouse=True)
    def welcome_credits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "WELCOME_CREDITS", 30)

    def test_new_user_has_welcome_credits_at_the_first_read(self) -> None:
        assert call_api("GET", "/credits")[1]["available"] == 30
        (entry,) = call_api("GET", "/credits/entries")[1]["entries"]
        assert (entry["kind"], entry["granted"], entry["available"], entry["reference"]) == (
            "grant",
            30,
            30,
            "welcome",
        )

    def test_first_job_can_use_welcome_credits(self) -> None:
        assert submit()[0] == 202
        assert ledger.balance(ANN) == replace(
            ledger.balance(ANN), granted=30, available=10, held=20
        )

    def test_welcome_credits_are_granted_once(self) -> None:
        for _ in range(3):
            assert call_api("GET", "/credits")[1]["granted"] == 30

    def test_user_of_two_platforms_has_welcome_credits_once(self) -> None:
        call_api("GET", "/credits")

        for _ in range(2):
            assert call_api("GET", "/credits", **{"custom:platform": "mobile"})[1]["granted"] == 0
        assert submit(**{"custom:platform": "mobile"})[0] == 402

    def test_account_with_credits_also_has_welcome_credits(self) -> None:
        open_account(5)

        assert call_api("GET", "/credits")[1]["granted"] == 35

    def test_each_user_has_welcome_credits(self) -> None:
        call_api("GET", "/credits")

        assert call_api("GET", "/credits", user="bob")[1]["granted"] == 30

    def test_administrators_read_grants_no_welcome_credits(self) -> None:
        assert call_api("GET", "/accounts/web/ann", **ADMIN)[1]["granted"] == 0

    def test_administrators_grant_may_use_the_reference_welcome(self) -> None:
        call_api("GET", "/credits")
        body = {"amount": 7, "reason": "sorry", "reference": "welcome"}

        assert call_api("POST", "/accounts/web/ann/credits", body=body, **ADMIN)[0] == 201
        assert call_api("GET", "/credits")[1]["granted"] == 37


def test_new_user_has_nothing_without_welcome_credits() -> None:
    assert call_api("GET", "/credits")[1]["granted"] == 0
    assert call_api("GET", "/credits/entries")[1]["entries"] == []


def test_deleted_job_is_not_found() -> None:
    job = resolved(held_job())
    delete_job.delete(ANN, job.job_id, now=datetime.now(UTC))

    with pytest.raises(NotFound):
        stored(job)
