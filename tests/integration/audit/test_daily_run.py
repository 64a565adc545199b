"""The daily run audits all accounts in rounds, and reports by metrics and log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import datetime
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.domain.audit import Mismatch
from darkroom.domain.audit_progress import Key, Progress
from darkroom.services import audit_accounts
from darkroom.storage import account_records
from darkroom.storage.job_rows import JobRow, partition
from darkroom.storage.table import AccountRow
from tests.aws import CONTEXT, ROOT, TEMPLATE, client, handler_of
from tests.builders import ANN
from tests.integration.audit.accounts import (
    BOB,
    account_row,
    hold_job_of,
    job_row,
)

EVERY_DAY = json.loads((ROOT / "events/audit_accounts/every_day.json").read_text())


type Run = Callable[..., dict[str, Any]]


def counts(metrics: dict[str, Any]) -> dict[str, float]:
    """Return the sum of each metric by its name."""
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    return {metric["Name"]: sum(metrics[metric["Name"]]) for metric in directive["Metrics"]}


def last_key_of(account: AccountId) -> tuple[str, str]:
    """Return the key of the last row of an account in the order of a scan."""
    (row, *_) = AccountRow.query(partition(account), scan_index_forward=False, limit=1)
    return row.pk, row.sk


@pytest.mark.usefixtures("aws", "short_pauses")
class TestDailyRun:
    @pytest.fixture
    def run(self, capsys: pytest.CaptureFixture[str]) -> Run:
        """Return a function that runs the audit and returns its metrics.

        The run has time for `accounts_count` accounts.
        """

        def run(*, accounts_count: int = 100) -> dict[str, Any]:
            remaining = chain([600_000] * accounts_count, repeat(1_000))
            capsys.readouterr()
            handler_of("audit_accounts")(
                EVERY_DAY,
                SimpleNamespace(
                    **{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: next(remaining)}
                ),
            )
            (metrics,) = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
            written: dict[str, Any] = json.loads(metrics)
            return written

        return run

    def test_counts_the_audited_accounts_and_no_mismatches(self, run: Run) -> None:
        for account in (ANN, BOB):
            hold_job_of(account)

        assert counts(run()) == {"AccountsAudited": 2, "AuditsFailed": 0, "LedgerMismatches": 0}

    def test_logs_each_mismatch_with_ids_only(
        self, run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        names = [field.name for field in fields(Mismatch)]
        hold_job_of(BOB)
        job = hold_job_of(ANN)
        job_row(job).update([JobRow.held.set(9)])
        account_row().update([AccountRow.jobs_total.set(3)])

        assert counts(run()) == {"AccountsAudited": 2, "AuditsFailed": 0, "LedgerMismatches": 2}
        assert [
            {name: vars(record)[name] for name in names}
            for record in caplog.records
            if (record.name, record.levelname) == ("darkroom", "ERROR")
        ] == [
            dict(zip(names, ("web/ann", "jobs in total by the records", 1, 3, None), strict=True)),
            dict(zip(names, ("web/ann", "held on the job", 10, 9, job.job_id), strict=True)),
        ]
        assert caplog.records[-1].finished  # type: ignore[attr-defined]

    def test_continues_after_the_last_account_until_the_round_is_complete(self, run: Run) -> None:
        accounts = [AccountId("web", f"user-{number}") for number in range(5)]
        for account in accounts:
            hold_job_of(account)

        runs = [counts(run(accounts_count=2))["AccountsAudited"] for _ in range(4)]

        assert runs == [2, 2, 1, 2]
        assert account_records.progress() == Progress(last_key_of(accounts[1]))

    @pytest.mark.parametrize("place", range(5))
    def test_reports_a_mismatch_until_a_complete_round_finds_none(
        self, place: int, run: Run
    ) -> None:
        accounts = [AccountId("web", f"user-{number}") for number in range(5)]
        for account in accounts:
            hold_job_of(account)
        clean_runs = place // 2
        account_row(accounts[place]).update([AccountRow.jobs_total.set(2)])

        broken = [counts(run(accounts_count=2))["LedgerMismatches"] for _ in range(6)]
        account_row(accounts[place]).update([AccountRow.jobs_total.set(1)])
        repaired = [counts(run(accounts_count=2))["LedgerMismatches"] for _ in range(3)]

        assert broken == [0] * clean_runs + [1] * (6 - clean_runs)
        assert repaired == [1, 1, 0]

    def test_continues_after_a_row_that_was_deleted(self, run: Run) -> None:
        hold_job_of(BOB)
        hold_job_of(ANN)
        run(accounts_count=1)
        pk, sk = last_key_of(BOB)
        assert account_records.progress().after == (pk, sk)

        client("dynamodb").delete_item(
            TableName="darkroom-test", Key={"pk": {"S": pk}, "sk": {"S": sk}}
        )

        assert counts(run()) == {"AccountsAudited": 1, "AuditsFailed": 0, "LedgerMismatches": 0}
        assert account_records.progress() == Progress()

    def test_audits_the_other_accounts_after_a_failure(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for account in (BOB, ANN):
            hold_job_of(account)
        account_row(ANN).update([AccountRow.jobs_total.set(2)])
        audit_one = audit_accounts.audit

        def failing_audit(pk: str, *, now: datetime) -> audit_accounts.Audit:
            if pk == partition(BOB):
                raise account_records.AccountUnsettled("mobile/bob")
            return audit_one(pk, now=now)

        with monkeypatch.context() as error:
            error.setattr(audit_accounts, "audit", failing_audit)
            runs = [counts(run(accounts_count=1)) for _ in range(3)]

        # A failed audit counts until a complete round succeeds.
        assert [each["AuditsFailed"] for each in runs] == [1, 1, 1]
        assert counts(run(accounts_count=1)) == {
            "AccountsAudited": 1,
            "AuditsFailed": 1,
            "LedgerMismatches": 1,
        }
        assert counts(run(accounts_count=2)) == {
            "AccountsAudited": 2,
            "AuditsFailed": 0,
            "LedgerMismatches": 1,
        }

    def test_records_its_progress_when_the_table_fails(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for account in (BOB, ANN):
            hold_job_of(account)
        found_accounts = account_records.accounts

        def interrupted(*, after: Key | None = None) -> Iterator[tuple[str, Key]]:
            yield next(found_accounts(after=after))
            raise ConnectionError

        with monkeypatch.context() as broken:
            broken.setattr(account_records, "accounts", interrupted)
            with pytest.raises(ConnectionError):
                run()

        assert counts(run()) == {"AccountsAudited": 1, "AuditsFailed": 0, "LedgerMismatches": 0}

    def test_writes_the_metrics_of_the_alarms(self, run: Run) -> None:
        metrics = run()
        (directive,) = metrics["_aws"]["CloudWatchMetrics"]
        alarms = [
            TEMPLATE["Resources"][name]["Properties"]
            for name in ("LedgerMismatchAlarm", "AuditFailedAlarm", "AuditMissingAlarm")
        ]
        environment = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]

        assert environment["POWERTOOLS_METRICS_NAMESPACE"] == directive["Namespace"]
        # The service name is the value of the dimension.
        assert environment["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
        for alarm in alarms:
            assert alarm["Namespace"] == directive["Namespace"]
            assert alarm["MetricName"] in metrics
            assert [[dimension["Name"] for dimension in alarm["Dimensions"]]] == directive[
                "Dimensions"
            ]
            assert {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]} == {
                "service": {"Ref": "AWS::StackName"}
            }
