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


class TestIsolation:
    @pytest.mark.parametrize(
        "sub",
        [
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
        ],
        ids=ascii,
    )
    def test_a_sub_may_hold_any_character_and_is_nobody_elses(self, sub: str) -> None:
        job = finished_job()

        assert call_api("GET", "/credits", user=sub)[1]["granted"] == 0
        assert call_api("GET", "/jobs", user=sub)[1]["jobs"] == []
        assert call_api("GET", f"/jobs/{job.job_id}", user=sub)[0] == 404
        open_account(10, AccountId("web", sub))
        status, accepted, _ = submit(user=sub)
        assert (status, call_api("GET", f"/jobs/{accepted['id']}", user=sub)[0]) == (202, 200)
        assert call_api("GET", f"/jobs/{accepted['id']}")[0] == 404

    def test_the_same_user_on_two_platforms_is_two_accounts(self) -> None:
        open_account(100)
        elsewhere: dict[str, Any] = {"custom:platform": "mobile"}
        key = {"idempotency-key": "order 1"}
        _, job, _ = submit(headers=key)
        path = f"/jobs/{job['id']}"

        assert call_api("GET", "/credits", **elsewhere)[1]["granted"] == 0
        assert call_api("GET", "/jobs", **elsewhere)[1] == {
            "jobs": [],
            "next_cursor": None,
            "total": 0,
        }
        assert call_api("GET", "/credits/entries", **elsewhere)[1]["entries"] == []
        assert [
            call_api(method, where, **elsewhere)[0]
            for method, where in (("GET", path), ("POST", f"{path}/cancel"), ("DELETE", path))
        ] == [404] * 3
        assert (
            call_api("GET", "/callbacks/secret", **elsewhere)[1]
            != call_api("GET", "/callbacks/secret")[1]
        )
        assert submit(body={"rerun_of": job["id"]}, **elsewhere)[0] == 422
        # The same key is another request there, which has no credits.
        assert submit(headers=key, **elsewhere)[0] == 402
        open_account(10, AccountId("mobile", "ann"))
        assert submit(headers=key, **elsewhere)[1]["id"] != job["id"]
        assert (ledger.balance(ANN).held, ledger.balance(AccountId("mobile", "ann")).held) == (
            10,
            10,
        )

    def test_an_administrator_reads_an_account_and_its_ledger_and_not_her_own(self) -> None:
        job = held_job(credits=30)
        elsewhere = AccountId("mobile", "ann")
        open_account(7, elsewhere)

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
        # An administrator sees records, and nobody's images.
        assert call_api("GET", f"/jobs/{job.job_id}", **ADMIN)[0] == 404

    def test_another_accounts_job_is_not_there(self) -> None:
        job = held_job()

        theirs = call_api("GET", f"/jobs/{job.job_id}", user="bob")
        nobodys = call_api("GET", f"/jobs/{image_job().job_id}", user="bob")

        assert theirs == nobodys
        assert theirs[0] == 404
        assert call_api("GET", "/jobs", user="bob")[1] == {
            "jobs": [],
            "next_cursor": None,
            "total": 0,
        }
