"""Administrators see what the providers bill: by template, by day and by account."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from darkroom import catalog
from darkroom.domain.accounts import AccountId
from darkroom.domain.usage import DayUsage
from darkroom.services import audit_accounts
from darkroom.storage import attempts, ledger, spend, usage
from tests.builders import ANN, call_api, image_job, open_account
from tests.integration.api.calls import ADMIN, error_fields, submit
from tests.integration.steps import at, with_setting

pytestmark = pytest.mark.usefixtures("aws")

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 30)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, NOON)


def report(query: str = "") -> tuple[int, Any]:
    status, document, _ = call_api("GET", "/admin/usage", query=query, **ADMIN)
    return status, document


class TestCosts:
    def test_administrators_see_the_cost_of_each_template(self) -> None:
        _, document, _ = call_api("GET", "/templates", **ADMIN)

        costs = {template["code"]: template["cost_usd"] for template in document["templates"]}
        assert set(costs) == set(catalog.codes()) - {"nano-banana-2"}
        assert costs["veo-3.1"] == {
            "per_output": None,
            "per_second": 0.2,
            "seconds_parameter": "duration",
            "tiers": [{"when": {"generate_audio": {"const": True}}, "usd": 0.4}],
            "multipliers": [],
            "additions": [],
            "by_default": 3.2,
            "estimated": False,
            "source": "The price on the model's page at Replicate, from a public copy.",
            "checked_on": "2026-10-05",
        }
        one = call_api("GET", "/templates/veo-3.1", **ADMIN)[1]
        assert one["cost_usd"] == costs["veo-3.1"]

    def test_users_do_not_see_it(self) -> None:
        assert "cost_usd" not in call_api("GET", "/templates/veo-3.1")[1]
        for template in call_api("GET", "/templates")[1]["templates"]:
            assert "cost_usd" not in template


class TestModeration:
    def test_the_limit_is_in_the_schema_the_quote_and_the_refusal(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "SAFETY_TOLERANCE_MAX", 1)
        with_setting(monkeypatch, "MODERATION_MIN", "high")
        open_account(100)

        def submit_with(code: str, **parameters: object) -> tuple[int, Any]:
            body = {"template": code, "parameters": {"prompt": "a cat", **parameters}}
            return submit(body=body)[:2]

        schema = call_api("GET", "/templates/flux-1.1-pro")[1]["parameters"]["properties"]
        assert schema["safety_tolerance"]["maximum"] == schema["safety_tolerance"]["default"] == 1
        status, problem = submit_with("flux-1.1-pro", safety_tolerance=2)
        assert status == 422
        assert problem["errors"] == [
            {"field": "parameters.safety_tolerance", "message": "The maximum is 1."}
        ]
        status, job = submit_with("flux-1.1-pro")
        assert (status, job["parameters"]["safety_tolerance"]) == (202, 1)
        status, problem = submit_with("nano-banana-pro", safety_filter_level="block_only_high")
        assert (status, error_fields(problem)) == (422, ["parameters.safety_filter_level"])
        status, job = submit_with("nano-banana-pro")
        assert (status, job["parameters"]["safety_filter_level"]) == (202, "block_low_and_above")


class TestReport:
    def test_the_spend_of_each_day_provider_and_template(self) -> None:
        yesterday = NOON - timedelta(days=1)
        for code, now in [("flux-dev", NOON), ("flux-dev", NOON), ("hailuo-02", yesterday)]:
            job = image_job(template=code)
            spend.add_prediction("replicate", code, job.cost_micro_usd, now=now)
        spend.add_canceled("replicate", "flux-dev", 25_000, now=NOON)
        spend.add_prediction("runway", "a-removed-template", 600_000, now=NOON)

        status, document = report("from=2026-11-29&to=2026-11-30")

        assert status == 200
        columns = (
            "day", "provider", "template", "predictions", "usd", "canceled", "canceled_usd",
            "estimated",
        )  # fmt: skip
        assert [tuple(row[name] for name in columns) for row in document["days"]] == [
            ("2026-11-29", "replicate", "hailuo-02", 1, 0.49, 0, 0.0, True),
            ("2026-11-30", "replicate", "flux-dev", 2, 0.05, 1, 0.025, False),
            ("2026-11-30", "runway", "a-removed-template", 1, 0.6, 0, 0.0, True),
        ]
        assert len(report("from=2026-11-30")[1]["days"]) == 2
        assert report("to=2026-11-28")[1]["days"] == []

    def test_the_use_of_an_account_comes_from_its_audit(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("darkroom.services.audit_accounts._PAUSE_SECONDS", 0)
        monkeypatch.setattr("darkroom.storage.account_records._PAUSE_SECONDS", 0)
        open_account(100)
        open_account(100, AccountId("web", "idle"))
        job = ledger.hold(image_job(num_outputs=2, now=NOON), key=None, now=NOON)[0]
        attempt = attempts.begin_attempt(job, "entry", lease_until=NOON, now=NOON)
        assert attempt
        attempts.record_prediction(job, attempt, "prediction", now=NOON)
        ledger.resolve(ANN, job.job_id, now=NOON)
        assert report()[1]["accounts"] == []

        audit_accounts.audit_accounts(lambda: 600_000)

        (row,) = report()[1]["accounts"]
        assert row == {
            "account": "web/ann",
            "jobs": 1,
            "credits": 0,
            "usd": 0.006,
            "audited_at": "2026-11-30T12:00:00.000Z",
        }

    def test_pages_list_each_account_once_and_the_days_on_the_first_page(self) -> None:
        names = [f"web/user{number}" for number in range(5)]
        for number, name in enumerate(names):
            days = {TODAY: DayUsage(number, 10 * number, 500_000 * number)}
            usage.record_usage(name, days, now=NOON)
        spend.add_prediction("replicate", "flux-dev", 25_000, now=NOON)

        accounts: list[Any] = []
        pages: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            page = report(f"limit=2{cursor and '&cursor='}{cursor}")[1]
            accounts += page["accounts"]
            pages.append(page)
            cursor = page["next_cursor"]

        assert [each["account"] for each in accounts] == names
        assert [each["usd"] for each in accounts] == [0.0, 0.5, 1.0, 1.5, 2.0]
        assert [len(page["days"]) for page in pages] == [1, 0, 0]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("from=2026-08-30&to=2026-11-30", "from"),
            ("from=2026-12-01&to=2026-11-30", "from"),
            ("to=tomorrow", "to"),
            ("limit=101", "limit"),
            ("cursor=x", "cursor"),
        ],
    )
    def test_a_wrong_query_is_refused(self, query: str, field: str) -> None:
        status, problem = report(query)

        assert (status, error_fields(problem)) == (422, [field])

    def test_92_days_are_accepted(self) -> None:
        assert report("from=2026-08-31&to=2026-11-30")[0] == 200

    def test_users_are_refused(self) -> None:
        assert call_api("GET", "/admin/usage")[0] == 403
