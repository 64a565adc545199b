"""The daily audit adds rows of release 0.1.0 to the index `lookup`, so that they are found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from darkroom.domain.jobs import Job
from darkroom.services import audit_accounts
from darkroom.storage import account_records, accounts, job_lookup
from darkroom.storage.job_rows import key_of, partition
from darkroom.storage.table import AccountRow, LookupRow
from tests.aws import CONTEXT, ROOT, client, handler_of
from tests.builders import ANN, call_api, held_job, image_job
from tests.integration.api.calls import ADMIN
from tests.integration.broken_aws import AwsError, failing_calls

pytestmark = pytest.mark.usefixtures("aws", "short_pauses")

EVERY_DAY = json.loads((ROOT / "events/audit_accounts/every_day.json").read_text())


def old_job() -> Job:
    """Store a job and its account as release 0.1.0 did."""
    job = held_job()
    for row in (LookupRow(partition(ANN), "ACCOUNT"), row_of(job)):
        row.update([LookupRow.lookup_key.remove()])
    return job


def row_of(job: Job) -> LookupRow:
    key = key_of(job.account, job.job_id)
    return LookupRow(key.pk, key.sk)


def run_audit() -> None:
    handler_of("audit_accounts")(EVERY_DAY, CONTEXT)


@pytest.fixture(autouse=True)
def enough_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_accounts, "_MARGIN_MILLISECONDS", 0)


def rows_client() -> Any:
    """Return the client that PynamoDB uses for the rows of the index."""
    return LookupRow._get_connection().connection.client


def items() -> dict[str, Any]:
    """Return the items of the account by their sort keys."""
    found = client("dynamodb").scan(TableName="darkroom-test")["Items"]
    return {item["sk"]["S"]: item for item in found if item["pk"]["S"] == partition(ANN)}


def users_listed() -> list[str]:
    return [each.account.user for each in accounts.page(limit=9, cursor=None).items]


def test_old_rows_are_found_after_the_next_audit() -> None:
    job = old_job()
    assert users_listed() == []
    assert call_api("GET", f"/admin/jobs/{job.job_id}", **ADMIN)[0] == 404

    run_audit()

    assert users_listed() == ["ann", "root"]
    assert call_api("GET", f"/admin/jobs/{job.job_id}", **ADMIN)[1]["id"] == job.job_id


def test_an_account_is_listed_after_its_next_request_too() -> None:
    old_job()

    call_api("GET", "/credits")

    assert users_listed() == ["ann"]


def test_adds_each_row_once_and_changes_nothing_else() -> None:
    job = old_job()
    before = items()
    run_audit()
    added = items()
    with failing_calls(rows_client(), "UpdateItem") as calls:
        run_audit()

    assert {key: item.pop("lookup_key", None) for key, item in added.items()} == {
        key: {"S": key} if key in ("ACCOUNT", row_of(job).sk) else None for key in before
    }
    assert added == before
    assert calls == []
    assert not account_records.add_to_lookup(row_of(job).pk, row_of(job).sk)


def test_a_row_that_was_deleted_meanwhile_stays_deleted() -> None:
    key = row_of(image_job())

    assert not account_records.add_to_lookup(key.pk, key.sk)
    assert client("dynamodb").scan(TableName="darkroom-test")["Items"] == []


def test_one_round_adds_a_bounded_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_accounts, "LOOKUP_ROWS_MAX", 1)
    job = old_job()

    run_audit()
    assert users_listed() == ["ann"]
    assert not LookupRow.get(row_of(job).pk, row_of(job).sk).lookup_key

    run_audit()
    assert job_lookup.read_any(job.job_id).job_id == job.job_id


def test_a_failure_stops_neither_the_audit_nor_its_report(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old_job()
    AccountRow(partition(ANN)).update([AccountRow.jobs_total.set(3)])

    with failing_calls(rows_client(), "UpdateItem", AwsError("AccessDeniedException")):
        run_audit()

    messages = [record.message for record in caplog.records]
    assert "rows not added to the index" in messages
    assert "ledger mismatch" in messages
    assert account_records.progress().failed_known == 0
