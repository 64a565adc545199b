"""Administrators find a job of any account by its id alone, and list all open jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job
from darkroom.schemas.responses import JobResponse
from darkroom.services import delete_job
from darkroom.storage import attempts, checks, jobs, ledger
from tests.builders import ANN, NOON, call_api, held_job, image_job, stored
from tests.integration.api.calls import ADMIN, JOB_KEYS, error_fields, finished_job

pytestmark = pytest.mark.usefixtures("aws")

ADMIN_KEYS = {"account", "provider", "predictions", "callback_url"}


def read(job_id: str) -> tuple[int, Any]:
    status, document, _ = call_api("GET", f"/admin/jobs/{job_id}", **ADMIN)
    return status, document


def listed(query: str = "") -> Any:
    status, page, _ = call_api("GET", "/admin/jobs", query=query, **ADMIN)
    assert status == 200
    return page


def job_of(user: str, *, platform: str = "web") -> Job:
    return held_job(account=AccountId(platform, user))


class TestJob:
    @pytest.mark.parametrize("user", ["ann", "G0/a+b==|#é", "x" * 255])
    def test_is_found_by_its_id_alone(self, user: str) -> None:
        job_of("bob")
        job = job_of(user, platform="mobile")

        status, found = read(job.job_id)

        assert (status, found["id"], found["status"]) == (200, job.job_id, "pending")
        assert found["account"] == {"platform": "mobile", "user": user}
        assert found.keys() == JobResponse.__annotations__.keys() | ADMIN_KEYS
        assert found["deliveries"] == []

    def test_is_what_its_owner_sees_and_more(self) -> None:
        job = finished_job(outputs_count=2)
        _, owned, _ = call_api("GET", f"/jobs/{job.job_id}")

        _, found = read(job.job_id)

        changing = {"links_expire_at", "outputs"}
        assert {name: found[name] for name in JOB_KEYS - changing} == {
            name: owned[name] for name in JOB_KEYS - changing
        }
        assert [output["url"].partition("?")[0] for output in found["outputs"]] == [
            output["url"].partition("?")[0] for output in owned["outputs"]
        ]

    def test_shows_its_predictions_at_the_provider(self) -> None:
        job = held_job()
        attempt = attempts.begin_attempt(job, "entry", lease_until=NOON, now=NOON)
        assert attempt
        attempts.record_prediction(stored(job), attempt, "prediction1", now=NOON)

        _, found = read(job.job_id)

        assert found["provider"] == "replicate"
        assert found["predictions"] == [
            {
                "attempt": 1,
                "prediction_id": "prediction1",
                "requested_at": "2026-01-02T12:00:00.000Z",
                "finished_at": None,
            }
        ]

    def test_an_unknown_a_deleted_and_a_malformed_id_are_not_found(self) -> None:
        deleted = finished_job(outputs_count=0)
        jobs.leave_open_jobs(stored(deleted))
        delete_job.delete(ANN, deleted.job_id, now=NOON)

        for job_id in (deleted.job_id, image_job().job_id, "x", "ACCOUNT", "%23"):
            assert read(job_id)[0] == 404, job_id

    def test_the_log_names_the_administrator_and_the_owner(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        job = held_job()
        read(job.job_id)
        listed()

        lines = [vars(record) for record in caplog.records if "by" in vars(record)]
        assert [(line["message"], line["by"]) for line in lines] == [
            ("job read", "web/root"),
            ("jobs listed", "web/root"),
        ]
        assert (lines[0]["job_id"], lines[0]["account"]) == (job.job_id, "web/ann")


class TestOpenJobs:
    def test_lists_the_open_jobs_of_all_accounts_page_by_page(self) -> None:
        waiting = [job_of(user) for user in ("ann", "bob", "G0/a+b==|#é", "x" * 255, "eve")]
        for number, job in enumerate(reversed(waiting)):
            checks.schedule_check(job.account, job.job_id, NOON + timedelta(seconds=number))
        found: list[str] = []
        page = listed("status=open&limit=2")
        while True:
            found += [job["id"] for job in page["jobs"]]
            if page["next_cursor"] is None:
                break
            page = listed(f"status=open&limit=2&cursor={page['next_cursor']}")

        assert found == [job.job_id for job in reversed(waiting)]

    def test_lists_no_ended_job_before_its_end_is_announced(self) -> None:
        ended, waiting = held_job(), job_of("bob")
        ledger.resolve(ANN, ended.job_id, now=NOON)

        assert [job["id"] for job in listed()["jobs"]] == [waiting.job_id]

    def test_is_open_by_default_and_has_no_other_status(self) -> None:
        held_job()

        assert listed().keys() == listed("status=open").keys() == {"jobs", "next_cursor"}
        assert len(listed()["jobs"]) == 1
        for query, field in (("status=failed", "status"), ("limit=101", "limit")):
            status, problem, _ = call_api("GET", "/admin/jobs", query=query, **ADMIN)
            assert (status, error_fields(problem)) == (422, [field])

    def test_refuses_the_cursor_of_another_list(self) -> None:
        for user in ("ann", "bob"):
            job_of(user)
        accounts = call_api("GET", "/accounts", query="limit=1", **ADMIN)[1]["next_cursor"]

        for cursor in (accounts, "x"):
            query = f"cursor={cursor}"
            status, problem, _ = call_api("GET", "/admin/jobs", query=query, **ADMIN)
            assert (status, error_fields(problem)) == (422, ["cursor"])
