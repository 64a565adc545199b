"""Submitting: again what ran before, the same request twice, while paused, and with welcome credits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from darkroom import catalog
from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import NotFound, WorkflowUnavailable
from darkroom.domain.jobs import Job
from darkroom.services import delete_job
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
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No execution is started, so every job stays as it was submitted."""
    monkeypatch.setattr(workflow_adapter, "start", lambda _: None)


def submit(body: object = BODY, **event: Any) -> tuple[int, Any, dict[str, str]]:
    return call_api("POST", "/jobs", body=body, **event)


def with_key(key: str) -> dict[str, Any]:
    return {"headers": {"idempotency-key": key}}


def fields(problem: dict[str, Any]) -> set[str]:
    return {error["field"] for error in problem["errors"]}


def ended(job: Job) -> Job:
    final = ledger.resolve(job.account, job.job_id, now=datetime.now(UTC))
    jobs.leave_open_jobs(final)
    return final


class TestRerun:
    def test_a_final_job_runs_again_with_its_template_and_parameters(self) -> None:
        open_account(100)
        first = submit()[1]
        ended(jobs.read(ANN, first["id"]))

        status, again, _ = submit({"rerun_of": first["id"], "metadata": {"order": 2}})

        assert status == 202
        assert again["id"] != first["id"]
        assert (again["template"], again["parameters"], again["credits"]) == (
            first["template"],
            first["parameters"],
            first["credits"],
        )
        assert again["metadata"] == {"order": 2}
        assert ledger.balance(ANN).held == 20

    def test_an_open_job_does_not_run_again(self) -> None:
        job = held_job()

        status, problem, _ = submit({"rerun_of": job.job_id})

        assert (status, fields(problem)) == (422, {"rerun_of"})
        assert ledger.balance(ANN).jobs_total == 1

    @pytest.mark.parametrize("named", ["nonsense", "", "01a2041b-9344-7a89-96bd-f73189540bdf"])
    def test_what_is_not_there_does_not_run_again(self, named: str) -> None:
        status, problem, _ = submit({"rerun_of": named})

        assert (status, fields(problem)) == (422, {"rerun_of"})

    def test_nobody_runs_the_job_of_another_account_again(self) -> None:
        job = held_job()
        ended(job)
        open_account(100, AccountId("web", "bob"))

        status, problem, _ = submit({"rerun_of": job.job_id}, user="bob")

        assert (status, fields(problem)) == (422, {"rerun_of"})

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({}, {"template", "parameters"}),
            ({"template": "flux-schnell"}, {"parameters"}),
            ({"parameters": {}}, {"template"}),
            ({"rerun_of": "x", "template": "flux-schnell"}, {"template"}),
            ({"rerun_of": "x", "parameters": {}}, {"parameters"}),
        ],
    )
    def test_it_is_either_a_template_with_parameters_or_a_job(
        self, body: dict[str, Any], named: set[str]
    ) -> None:
        status, problem, _ = submit(body)

        assert (status, fields(problem)) == (422, named)

    def test_a_job_of_a_retired_template_does_not_run_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        ended(job)
        others = tuple(code for code in catalog.codes() if code != "flux-schnell")
        monkeypatch.setattr(catalog, "codes", lambda: others)

        status, problem, _ = submit({"rerun_of": job.job_id})

        assert (status, fields(problem)) == (422, {"rerun_of"})


class TestTheSameRequestTwice:
    def test_is_one_job_also_when_the_catalog_has_changed_since(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(100)
        first = submit(**with_key("k"))[1]
        monkeypatch.setattr(catalog, "codes", tuple)

        status, second, headers = submit(**with_key("k"))

        assert (status, second["id"], headers["Idempotency-Replayed"]) == (202, first["id"], "true")
        assert submit()[0] == 422

    def test_is_started_when_the_first_try_died_before_the_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(100)

        def cannot(_: Job) -> None:
            raise WorkflowUnavailable("test")

        with monkeypatch.context() as broken:
            broken.setattr(workflow_adapter, "start", cannot)
            first = submit(**with_key("k"))[1]
        started: list[str] = []
        monkeypatch.setattr(workflow_adapter, "start", lambda job: started.append(job.job_id))

        assert submit(**with_key("k"))[1]["id"] == first["id"]

        assert started == [first["id"]]

    def test_of_a_deleted_job_makes_no_new_one(self) -> None:
        open_account(100)
        first = submit(**with_key("k"))[1]
        ended(jobs.read(ANN, first["id"]))
        delete_job.delete(ANN, first["id"], now=datetime.now(UTC))

        status, problem, _ = submit(**with_key("k"))

        assert (status, problem["detail"]) == (
            404,
            "There is no such job any more: the one of this Idempotency-Key was deleted.",
        )
        assert ledger.balance(ANN).jobs_total == 0


class TestPaused:
    def pause(self, paused: object = True, **caller: Any) -> tuple[int, Any, dict[str, str]]:  # noqa: FBT002 (the switch itself)
        return call_api("PUT", "/admin/paused", body={"paused": paused}, **(caller or ADMIN))

    def test_no_job_is_taken_and_nothing_is_charged(self) -> None:
        open_account(100)
        assert self.pause()[:2] == (200, {"paused": True})

        status, problem, headers = submit()

        assert (status, problem["type"], problem["retryable"], headers["Retry-After"]) == (
            503,
            "/problems/paused",
            True,
            "60",
        )
        assert ledger.balance(ANN).available == 100

    def test_a_request_that_was_accepted_before_is_answered(self) -> None:
        open_account(100)
        first = submit(**with_key("k"))[1]
        self.pause()

        assert submit(**with_key("k"))[1]["id"] == first["id"]
        assert submit(**with_key("other"))[0] == 503

    def test_everything_else_goes_on(self) -> None:
        job = held_job()
        self.pause()

        assert call_api("GET", f"/jobs/{job.job_id}")[0] == 200
        assert call_api("POST", f"/jobs/{job.job_id}/cancel")[0] == 202

    def test_jobs_are_taken_again(self) -> None:
        open_account(100)
        self.pause()
        self.pause(paused=False)

        assert submit()[0] == 202

    def test_only_an_administrator_may(self) -> None:
        assert self.pause(user="ann")[0] == 403
        open_account(100)
        assert submit()[0] == 202

    @pytest.mark.parametrize("paused", ["true", 1, None])
    def test_it_is_on_or_off(self, paused: object) -> None:
        status, problem, _ = self.pause(paused)

        assert (status, fields(problem)) == (422, {"paused"})


class TestWelcomeCredits:
    @pytest.fixture(autouse=True)
    def thirty(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "WELCOME_CREDITS", 30)

    def test_a_new_user_has_them_at_the_first_look(self) -> None:
        assert call_api("GET", "/credits")[1]["available"] == 30
        (entry,) = call_api("GET", "/credits/entries")[1]["entries"]
        assert (entry["kind"], entry["granted"], entry["available"], entry["reference"]) == (
            "grant",
            30,
            30,
            "welcome",
        )

    def test_and_can_submit_a_job_with_them_before_any_look(self) -> None:
        assert submit()[0] == 202
        assert ledger.balance(ANN) == replace(
            ledger.balance(ANN), granted=30, available=10, held=20
        )

    def test_they_come_once(self) -> None:
        for _ in range(3):
            assert call_api("GET", "/credits")[1]["granted"] == 30

    def test_they_come_once_for_a_user_of_two_platforms(self) -> None:
        call_api("GET", "/credits")

        for _ in range(2):
            assert call_api("GET", "/credits", **{"custom:platform": "mobile"})[1]["granted"] == 0
        assert submit(**{"custom:platform": "mobile"})[0] == 402

    def test_credits_that_came_before_do_not_keep_them_away(self) -> None:
        open_account(5)

        assert call_api("GET", "/credits")[1]["granted"] == 35

    def test_another_user_has_her_own(self) -> None:
        call_api("GET", "/credits")

        assert call_api("GET", "/credits", user="bob")[1]["granted"] == 30

    def test_an_administrator_who_looks_welcomes_nobody(self) -> None:
        assert call_api("GET", "/accounts/web/ann", **ADMIN)[1]["granted"] == 0

    def test_an_administrators_reference_of_the_same_name_is_another_grant(self) -> None:
        call_api("GET", "/credits")
        body = {"amount": 7, "reason": "sorry", "reference": "welcome"}

        assert call_api("POST", "/accounts/web/ann/credits", body=body, **ADMIN)[0] == 201
        assert call_api("GET", "/credits")[1]["granted"] == 37


def test_without_welcome_credits_a_new_user_has_nothing() -> None:
    assert call_api("GET", "/credits")[1]["granted"] == 0
    assert call_api("GET", "/credits/entries")[1]["entries"] == []


def test_a_job_that_was_deleted_is_not_there_for_anybody() -> None:
    job = ended(held_job())
    delete_job.delete(ANN, job.job_id, now=datetime.now(UTC))

    with pytest.raises(NotFound):
        stored(job)
