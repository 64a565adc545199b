"""An account reads and changes its own records only."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.storage import ledger
from tests.builders import (
    ANN,
    call_api,
    held_job,
    image_job,
    open_account,
)
from tests.integration.api.calls import (
    ADMIN,
    finished_job,
    submit,
)

pytestmark = pytest.mark.usefixtures("aws")

ANN_ON_MOBILE = AccountId("mobile", "ann")
ON_MOBILE: dict[str, Any] = {"custom:platform": "mobile"}
NO_JOBS: dict[str, Any] = {"jobs": [], "next_cursor": None, "total": 0}
USER_IDS = [
    "auth0|0123",
    "ann@example.com",
    "us-east-1:0a-b",
    "x" * 255,
    "ann#JOB",
    "ann/b",
    "ann ",
    "ann\n",
    "é",
    "G0/a+b==",
    "ANN",
    "=61nn",
    "%61nn",
]


class TestIsolation:
    def test_any_characters_in_a_user_id_name_a_separate_account(
        self, subtests: pytest.Subtests
    ) -> None:
        job = finished_job()

        for user in USER_IDS:
            with subtests.test(user=ascii(user)):
                assert call_api("GET", "/credits", user=user)[1]["granted"] == 0
                assert call_api("GET", "/jobs", user=user)[1]["jobs"] == []
                assert call_api("GET", f"/jobs/{job.job_id}", user=user)[0] == 404

                open_account(10, AccountId("web", user))
                status, accepted, _ = submit(user=user)

                assert status == 202
                assert call_api("GET", f"/jobs/{accepted['id']}", user=user)[0] == 200
                assert call_api("GET", f"/jobs/{accepted['id']}")[0] == 404

    def test_the_same_user_on_another_platform_sees_no_credits_jobs_or_secrets(self) -> None:
        open_account(100)
        _, job, _ = submit()
        path = f"/jobs/{job['id']}"

        statuses = [
            call_api(method, url, **ON_MOBILE)[0]
            for method, url in (("GET", path), ("POST", f"{path}/cancel"), ("DELETE", path))
        ]
        secret_on_mobile = call_api("GET", "/callbacks/secret", **ON_MOBILE)[1]
        secret_on_web = call_api("GET", "/callbacks/secret")[1]

        assert call_api("GET", "/credits", **ON_MOBILE)[1]["granted"] == 0
        assert call_api("GET", "/jobs", **ON_MOBILE)[1] == NO_JOBS
        assert call_api("GET", "/credits/entries", **ON_MOBILE)[1]["entries"] == []
        assert statuses == [404, 404, 404]
        assert secret_on_mobile != secret_on_web
        assert submit(body={"rerun_of": job["id"]}, **ON_MOBILE)[0] == 422

    def test_an_idempotency_key_belongs_to_the_account_of_one_platform(self) -> None:
        open_account(100)
        key = {"idempotency-key": "order 1"}
        _, job, _ = submit(headers=key)
        status_without_credits, _, _ = submit(headers=key, **ON_MOBILE)
        open_account(10, ANN_ON_MOBILE)

        _, job_on_mobile, _ = submit(headers=key, **ON_MOBILE)

        assert status_without_credits == 402
        assert job_on_mobile["id"] != job["id"]
        assert (ledger.balance(ANN).held, ledger.balance(ANN_ON_MOBILE).held) == (10, 10)

    def test_an_administrator_reads_the_credits_and_entries_of_any_account(self) -> None:
        job = held_job(credits=30)
        open_account(7, ANN_ON_MOBILE)

        _, balance, _ = call_api("GET", "/accounts/web/ann", **ADMIN)
        _, page, _ = call_api("GET", "/accounts/web/ann/entries", **ADMIN)

        assert balance == {
            "available": 20,
            "held": 10,
            "spent": 0,
            "granted": 30,
            "in_flight": 1,
        }
        assert [entry["job_id"] for entry in page["entries"]] == [job.job_id, None]
        assert call_api("GET", "/accounts/mobile/ann", **ADMIN)[1]["granted"] == 7
        assert call_api("GET", "/accounts/web/nobody", **ADMIN)[1]["granted"] == 0
        assert call_api("GET", "/credits", **ADMIN)[1]["granted"] == 0

    def test_an_administrator_cannot_read_the_jobs_of_other_accounts(self) -> None:
        job = held_job()

        assert call_api("GET", f"/jobs/{job.job_id}", **ADMIN)[0] == 404

    def test_a_job_of_another_account_is_not_found(self) -> None:
        job = held_job()

        job_of_ann = call_api("GET", f"/jobs/{job.job_id}", user="bob")
        unknown_job = call_api("GET", f"/jobs/{image_job().job_id}", user="bob")

        assert job_of_ann == unknown_job
        assert job_of_ann[0] == 404
        assert call_api("GET", "/jobs", user="bob")[1] == NO_JOBS
