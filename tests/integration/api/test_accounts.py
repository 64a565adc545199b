"""Administrators grant with their name on the entry, list accounts, and suspend and resume them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.services.callbacks import secrets_of
from darkroom.storage import accounts, grants, ledger
from darkroom.storage.job_rows import partition
from darkroom.storage.table import AccountRow
from tests.builders import ANN, NOON, call_api, held_job, open_account, stored
from tests.integration.api.calls import ADMIN, assert_is_problem, error_fields, submit
from tests.integration.broken_aws import AwsError, failing_calls

pytestmark = pytest.mark.usefixtures("aws")

GRANT = {"amount": 50, "reason": "a present", "reference": "order 1"}
TRANSIENT = AwsError("ThrottlingException")


def act(path: str, **body: Any) -> tuple[int, Any]:
    """Send a POST as an administrator. Returns the status and the document."""
    status, document, _ = call_api("POST", path, body=body or None, **ADMIN)
    return status, document


def grant(user: str = "ann", **more: Any) -> tuple[int, Any]:
    return act(f"/accounts/web/{user}/credits", **GRANT | more)


def acts(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the log lines about what an administrator did."""
    return [vars(record) for record in caplog.records if "by" in vars(record)]


class TestGrants:
    def test_an_account_without_a_request_needs_create(self) -> None:
        status, problem, headers = call_api(
            "POST", "/accounts/web/ann/credits", body=GRANT, **ADMIN
        )

        assert_is_problem(status, problem, headers)
        assert (status, problem["type"]) == (404, "/problems/not-found")
        assert "create: true" in problem["detail"]
        assert ledger.balance(ANN).granted == 0
        assert ledger.entries(ANN, limit=1, cursor=None).items == ()

        assert grant(create=True)[0] == 201
        assert grant(reference="order 2")[0] == 404
        assert ledger.balance(ANN).granted == 50

    @pytest.mark.parametrize(
        "path", ["/credits", "/jobs", "/templates", "/credits/entries", "/callbacks/secret"]
    )
    def test_one_request_of_any_kind_makes_the_account_known(self, path: str) -> None:
        assert call_api("GET", path)[0] == 200

        assert grant()[0] == 201
        assert grant("bob")[0] == 404

    def test_a_refused_request_makes_the_account_known_and_one_without_a_token_does_not(
        self,
    ) -> None:
        assert submit()[0] == 402
        assert submit(user="bob", token_use="access")[0] == 401
        assert submit(user="eve", **{"custom:platform": "desktop"})[0] == 403

        assert [grant(user)[0] for user in ("ann", "bob", "eve")] == [201, 404, 404]

    def test_a_user_on_another_platform_is_another_account(self) -> None:
        call_api("GET", "/credits", **{"custom:platform": "mobile"})

        assert grant()[0] == 404

    def test_a_row_of_an_earlier_release_is_known_by_what_only_a_user_causes(self) -> None:
        for user, action in (
            ("a", AccountRow.welcomed_at.set(NOON)),
            ("b", AccountRow.granted.set(1)),
        ):
            AccountRow(partition(AccountId("web", user))).update([action])
        secrets_of(AccountId("web", "c"), now=NOON)

        assert [grant(user)[0] for user in ("a", "b", "c")] == [201, 404, 201]

    def test_a_repeated_grant_returns_its_entry_without_create(self) -> None:
        _, entry = grant(create=True)

        assert grant() == (200, entry)
        assert grant(amount=51)[0] == 422

    def test_a_correction_needs_the_account_before_it_needs_the_credits(self) -> None:
        assert grant(amount=-1)[0] == 404
        assert error_fields(grant(amount=-1, create=True)[1]) == ["amount"]

        call_api("GET", "/credits")

        assert error_fields(grant(amount=-1)[1]) == ["amount"]

    def test_administrators_see_who_granted_and_why_and_users_do_not(self) -> None:
        held_job()
        _, granted = grant(create=True)
        _, corrected = grant(amount=-7, reference="mistake", reason="typed twice")
        entries = call_api("GET", "/accounts/web/ann/entries", **ADMIN)[1]["entries"]
        entries_of_ann = call_api("GET", "/credits/entries")[1]["entries"]

        assert (granted["by"], granted["reason"]) == ("web/root", "a present")
        assert entries[:2] == [corrected, granted]
        assert [(entry["kind"], entry["by"], entry["reason"]) for entry in entries] == [
            ("correction", "web/root", "typed twice"),
            ("grant", "web/root", "a present"),
            ("hold", None, None),
            ("grant", None, "welcome"),
        ]
        assert entries_of_ann == [
            {name: value for name, value in entry.items() if name not in ("by", "reason")}
            for entry in entries
        ]

    def test_the_log_names_the_administrator_and_the_account(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        grant(create=True)

        (line,) = acts(caplog)
        assert (line["message"], line["by"], line["account"]) == (
            "credits granted",
            "web/root",
            "web/ann",
        )
        assert (line["credits"], line["reference"], line["repeated"]) == (50, "order 1", False)


class TestFirstRequest:
    def test_is_recorded_once_and_costs_one_read_for_each_environment(self) -> None:
        counts = []
        with (
            failing_calls(client_of_rows(), "GetItem") as reads,
            failing_calls(client_of_rows(), "UpdateItem") as writes,
        ):
            for _ in range(2):
                call_api("GET", "/templates")
                counts.append((len(reads), len(writes)))
            accounts._recorded.clear()
            call_api("GET", "/templates")
            counts.append((len(reads), len(writes)))

        assert counts == [(1, 1), (1, 1), (2, 1)]
        assert row().seen_at

    def test_keeps_the_time_of_the_first_request(self) -> None:
        accounts.record_seen(ANN, NOON)
        accounts._recorded.clear()
        accounts.record_seen(ANN, datetime.now(UTC))

        assert row().seen_at == NOON

    @pytest.mark.parametrize("operation", ["GetItem", "UpdateItem"])
    def test_a_transient_error_refuses_no_request_and_the_next_one_records(
        self, operation: str
    ) -> None:
        with failing_calls(client_of_rows(), operation, *[TRANSIENT] * 20):
            assert call_api("GET", "/templates")[0] == 200
        assert not accounts._recorded

        call_api("GET", "/templates")

        assert row().seen_at

    def test_an_environment_remembers_a_bounded_number_of_accounts(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(accounts, "_RECORDED_MAX", 2)
        for number in range(5):
            accounts.record_seen(AccountId("web", str(number)), NOON)

            assert 0 < len(accounts._recorded) <= 2

    def test_changes_no_credits_of_an_account(self) -> None:
        open_account(70)
        before = ledger.balance(ANN)

        call_api("GET", "/templates")

        assert ledger.balance(ANN) == before


def row() -> AccountRow:
    return AccountRow.get(partition(ANN), "ACCOUNT", consistent_read=True)


def client_of_rows() -> Any:
    """Return the client that PynamoDB uses for the rows of accounts."""
    return AccountRow._get_connection().connection.client


class TestList:
    def test_lists_every_account_once_page_by_page(self) -> None:
        names = [("mobile", "ann"), *(("web", user) for user in ("a/b", "ann", "é", "x" * 255))]
        for platform, user in reversed(names):
            open_account(7, AccountId(platform, user))
        call_api("GET", "/credits", user="root")
        found, cursor, pages = [], "", 0
        while True:
            query = f"limit=2{cursor}"
            page = call_api("GET", "/accounts", query=query, **ADMIN)[1]
            found += page["accounts"]
            pages += 1
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"

        assert pages == 3
        assert {(each["platform"], each["user"]) for each in found} == {*names, ("web", "root")}
        assert len(found) == 6
        assert [each["platform"] for each in found] == ["mobile"] + ["web"] * 5

    def test_shows_the_balance_the_first_request_and_the_suspension(self) -> None:
        held_job(credits=30)
        act("/accounts/web/ann/suspend", reason="chargeback")

        listed = call_api("GET", "/accounts", query="limit=1", **ADMIN)[1]["accounts"][0]

        assert listed["credits"] == call_api("GET", "/accounts/web/ann", **ADMIN)[1]
        assert listed["credits"]["held"] == 10
        assert listed["seen_at"] is None
        assert (listed["suspended"]["by"], listed["suspended"]["reason"]) == (
            "web/root",
            "chargeback",
        )
        call_api("GET", "/credits")
        assert call_api("GET", "/accounts", query="limit=1", **ADMIN)[1]["accounts"][0]["seen_at"]

    def test_a_page_of_the_longest_names_has_a_cursor_that_is_accepted(self) -> None:
        for number in range(2):
            open_account(1, AccountId("mobile", "灯" * 84 + f"{number:03}"))

        page = call_api("GET", "/accounts", query="limit=1", **ADMIN)[1]
        query = f"limit=1&cursor={page['next_cursor']}"
        status, following, _ = call_api("GET", "/accounts", query=query, **ADMIN)

        assert status == 200
        assert following["accounts"][0]["user"].endswith("001")

    @pytest.mark.parametrize(
        "cursor", ["x", "W10", "WyJhIl0", "WyIiLCJhIiwiYiJd", "WzEsMiwzXQ", "x" * 2_001]
    )
    def test_refuses_a_malformed_cursor(self, cursor: str) -> None:
        status, problem, _ = call_api("GET", "/accounts", query=f"cursor={cursor}", **ADMIN)

        assert (status, error_fields(problem)) == (422, ["cursor"])


class TestSuspension:
    def test_only_new_jobs_are_refused(self) -> None:
        job = held_job()
        status, account = act("/accounts/web/ann/suspend")
        assert (status, account["suspended"]["reason"]) == (200, None)
        before = ledger.balance(ANN)

        status, problem, headers = submit()

        assert_is_problem(status, problem, headers)
        assert (status, problem["type"]) == (403, "/problems/suspended")
        assert ledger.balance(ANN) == before
        path = f"/jobs/{job.job_id}"
        assert call_api("GET", path)[0] == 200
        assert call_api("GET", "/jobs")[1]["total"] == 1
        assert call_api("GET", "/credits")[0] == 200
        assert call_api("POST", f"{path}/cancel")[0] == 202
        assert ledger.resolve(ANN, job.job_id, now=NOON).status.is_final
        assert submit(body={"rerun_of": job.job_id})[0] == 403
        assert stored(job).status.is_final

    def test_a_resumed_account_submits_again(self) -> None:
        open_account(100)
        act("/accounts/web/ann/suspend", reason="chargeback")
        assert submit()[0] == 403

        status, account = act("/accounts/web/ann/resume")

        assert (status, account["suspended"]) == (200, None)
        assert submit()[0] == 202

    def test_other_accounts_submit(self) -> None:
        for account in (ANN, AccountId("mobile", "ann"), AccountId("web", "bob")):
            open_account(100, account)
        act("/accounts/web/ann/suspend")

        assert submit(**{"custom:platform": "mobile"})[0] == 202
        assert submit(user="bob")[0] == 202

    def test_a_repetition_changes_nothing(self) -> None:
        open_account(100)
        first = act("/accounts/web/ann/suspend", reason="chargeback")

        assert act("/accounts/web/ann/suspend", reason="another") == first
        resumed = act("/accounts/web/ann/resume")
        assert act("/accounts/web/ann/resume") == resumed

    def test_a_suspended_account_without_credits_hears_that_it_is_suspended(self) -> None:
        call_api("GET", "/credits")
        act("/accounts/web/ann/suspend")

        assert submit()[0] == 403

    def test_a_repeated_request_returns_its_job(self) -> None:
        open_account(100)
        key = {"idempotency-key": "order 1"}
        _, job, _ = submit(headers=key)
        act("/accounts/web/ann/suspend")

        status, repeated, _ = submit(headers=key)

        assert (status, repeated["id"]) == (202, job["id"])
        assert submit(headers={"idempotency-key": "order 2"})[0] == 403

    @pytest.mark.parametrize("path", ["suspend", "resume"])
    def test_an_unknown_account_is_not_found(self, path: str) -> None:
        assert act(f"/accounts/web/nobody/{path}")[0] == 404
        listed = call_api("GET", "/accounts", **ADMIN)[1]["accounts"]
        assert [each["user"] for each in listed] == ["root"]

    def test_refuses_an_empty_reason_and_unknown_fields(self) -> None:
        open_account(1)

        for body, field in (({"reason": ""}, "reason"), ({"reason": "x" * 501}, "reason")):
            assert error_fields(act("/accounts/web/ann/suspend", **body)[1]) == [field]
        assert error_fields(act("/accounts/web/ann/suspend", until=1)[1]) == ["until"]
        assert act("/accounts/web/ann/suspend", reason="x" * 500)[0] == 200

    def test_the_log_has_one_line_for_each_act(self, caplog: pytest.LogCaptureFixture) -> None:
        open_account(1)
        act("/accounts/web/ann/suspend", reason="chargeback")
        act("/accounts/web/ann/resume")
        for path in ("/accounts", "/accounts/web/ann", "/accounts/web/ann/entries"):
            call_api("GET", path, **ADMIN)

        lines = acts(caplog)
        assert [(line["message"], line["by"], line.get("account")) for line in lines] == [
            ("account suspended", "web/root", "web/ann"),
            ("account resumed", "web/root", "web/ann"),
            ("accounts listed", "web/root", None),
            ("account read", "web/root", "web/ann"),
            ("entries read", "web/root", "web/ann"),
        ]
        assert lines[0]["reason"] == "chargeback"

    def test_credits_can_be_granted_and_corrected(self) -> None:
        call_api("GET", "/credits")
        act("/accounts/web/ann/suspend")

        grants.grant(ANN, 10, reason="r", reference="r", create=False, now=NOON)

        assert grant(amount=-10)[0] == 201
