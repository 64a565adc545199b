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

    def test_the_same_user_has_a_separate_account_on_each_platform(self) -> None:
        open_account(100)
        on_mobile: dict[str, Any] = {"custom:platform": "mobile"}
        key = {"idempotency-key": "order 1"}
        _, job, _ = submit(headers=key)
        path = f"/jobs/{job['id']}"

        assert call_api("GET", "/credits", **on_mobile)[1]["granted"] == 0
        assert call_api("GET", "/jobs", **on_mobile)[1] == {
            "jobs": [],
            "next_cursor": None,
            "total": 0,
        }
        assert call_api("GET", "/credits/entries", **on_mobile)[1]["entries"] == []
        assert [
            call_api(method, url, **on_mobile)[0]
            for method, url in (("GET", path), ("POST", f"{path}/cancel"), ("DELETE", path))
        ] == [404] * 3
        assert (
            call_api("GET", "/callbacks/secret", **on_mobile)[1]
            != call_api("GET", "/callbacks/secret")[1]
        )
        assert submit(body={"rerun_of": job["id"]}, **on_mobile)[0] == 422
        # Keys belong to one account, and the account on mobile has no credits yet.
        assert submit(headers=key, **on_mobile)[0] == 402
        open_account(10, AccountId("mobile", "ann"))
        assert submit(headers=key, **on_mobile)[1]["id"] != job["id"]
        assert (ledger.balance(ANN).held, ledger.balance(AccountId("mobile", "ann")).held) == (
            10,
            10,
        )

    def test_an_administrator_reads_the_credits_of_any_account_but_no_jobs(self) -> None:
        job = held_job(credits=30)
        open_account(7, AccountId("mobile", "ann"))

        assert call_api("GET", "/accounts/web/ann", **ADMIN)[1] == {
            "available": 20,
            "held": 10,
            "spent": 0,
            "granted": 30,
            "in_flight": 1,
        }
        assert [
            entry["job_id"]
            for entry in call_api("GET", "/accounts/web/ann/entries", **ADMIN)[1]["entries"]
        ] == [job.job_id, None]
        assert call_api("GET", "/accounts/mobile/ann", **ADMIN)[1]["granted"] == 7
        assert call_api("GET", "/accounts/web/nobody", **ADMIN)[1]["granted"] == 0
        assert call_api("GET", "/credits", **ADMIN)[1]["granted"] == 0
        # Administrators read accounts, but no images.
        assert call_api("GET", f"/jobs/{job.job_id}", **ADMIN)[0] == 404

    def test_a_job_of_another_account_is_not_found(self) -> None:
        job = held_job()

        job_of_ann = call_api("GET", f"/jobs/{job.job_id}", user="bob")
        unknown_job = call_api("GET", f"/jobs/{image_job().job_id}", user="bob")

        assert job_of_ann == unknown_job
        assert job_of_ann[0] == 404
        assert call_api("GET", "/jobs", user="bob")[1] == {
            "jobs": [],
            "next_cursor": None,
            "total": 0,
        }
