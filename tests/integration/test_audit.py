"""The audit: what it reads, what it makes of an account that moves, how it goes on, and whom it tells."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import chain, repeat
from threading import Lock
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.client import BaseClient

from darkroom.domain.accounts import AccountId
from darkroom.domain.audit import Mismatch
from darkroom.domain.audit_progress import Key, Progress
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus, Output
from darkroom.services import audit_accounts, delete_job
from darkroom.storage import account_records, jobs, ledger
from darkroom.storage.job_rows import JobRow, partition
from darkroom.storage.table import AccountRow, DeletedRow, EntryRow, GrantRow, WelcomeRow
from local.cloudformation import account as local_account
from local.cloudformation.aws_endpoint import LocalAws
from tests.aws import _TABLE_PROPERTIES, CONTEXT, ROOT, TEMPLATE, client, handler_of
from tests.builders import ANN, NOON, held_job, image_job, open_account, stored
from tests.integration.steps import with_setting

PK = partition(ANN)
BOB, CLEO = AccountId("mobile", "bob"), AccountId("web", "cleo")
EVERY_DAY = json.loads((ROOT / "events/audit_accounts/every_day.json").read_text())


type Run = Callable[..., dict[str, Any]]


def now() -> datetime:
    return datetime.now(UTC)


def output(number: int) -> Output:
    return Output(
        number=number, key=f"media/{number}", content_type="image/webp", bytes=1, width=1, height=1
    )


def ended(job: Job, *, delivered: int = 0) -> Job:
    for number in range(delivered):
        assert jobs.record_output(stored(job), output(number))
    done = ledger.resolve(job.account, job.job_id, reason=failure(FailureCode.REFUSED), now=now())
    jobs.leave_open_jobs(done)
    return done


def eventful_account(monkeypatch: pytest.MonkeyPatch, account: AccountId = ANN) -> dict[str, Job]:
    """An account whose jobs have come to every end that there is; the jobs, by their ends."""
    with_setting(monkeypatch, "WELCOME_CREDITS", 7)
    assert ledger.welcome(account, now=now())
    ledger.grant(account, 500, reason="bought", reference="order 1", now=now())
    ledger.grant(account, -13, reason="mistake", reference="order 2", now=now())
    all_jobs = {
        name: ledger.hold(image_job(account=account, num_outputs=3), key=None, now=now())[0]
        for name in ("open", "whole", "part", "failed", "gone")
    }
    canceled = ledger.hold(image_job(account=account), key=None, now=now())[0]
    assert jobs.request_cancel(canceled, next_check_at=now(), now=now())
    ended(canceled)
    for name, delivered in (("whole", 3), ("part", 2), ("failed", 0), ("gone", 1)):
        ended(all_jobs[name], delivered=delivered)
    delete_job.delete(account, all_jobs["gone"].job_id, now=now())
    return all_jobs | {"canceled": canceled}


def mismatches(account: AccountId = ANN, *, at: datetime | None = None) -> list[Mismatch]:
    return list(audit_accounts.audit(partition(account), now=at or now()).mismatches)


def found(account: AccountId = ANN) -> set[tuple[str, int | str, int | str]]:
    return {(mismatch.what, mismatch.expected, mismatch.found) for mismatch in mismatches(account)}


def job_row(job: Job) -> JobRow:
    return JobRow(partition(job.account), f"JOB#{job.job_id}")


def account_row(account: AccountId = ANN) -> AccountRow:
    return AccountRow(partition(account))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else writes to the table, so there is nothing to wait for."""
    monkeypatch.setattr(audit_accounts, "_PAUSE_SECONDS", 0.001)


@pytest.mark.usefixtures("aws", "impatient")
class TestReading:
    def test_an_account_whose_jobs_have_come_to_every_end_has_no_difference(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        all_jobs = eventful_account(monkeypatch)

        audited = audit_accounts.audit(PK, now=now())

        assert audited.mismatches == ()
        assert audited.records.account == "web/ann"
        assert {job.status for job in audited.records.jobs} == set(JobStatus) - {
            JobStatus.PROCESSING
        }
        assert (
            len(audited.records.jobs),
            len(audited.records.entries),
            len(audited.records.markers),
        ) == (5, 3 + 6 + 5, 3)
        assert audited.records.deleted == {all_jobs["gone"].job_id}

    @pytest.mark.parametrize(
        ("tampered", "expected"),
        [
            (
                lambda _: account_row().update([AccountRow.spent.add(1)]),
                {
                    ("spent by the entries", 60, 61),
                    ("granted by available + held + spent", 495, 494),
                },
            ),
            (
                lambda _: account_row().update([AccountRow.jobs_total.set(6)]),
                {("jobs in total by the records", 5, 6)},
            ),
            (
                lambda _: account_row().update([AccountRow.in_flight.set(0)]),
                {("jobs in flight by the open jobs", 1, 0)},
            ),
            (lambda _: account_row().delete(), {("row of the account", "present", "missing")}),
            (
                lambda all_jobs: job_row(all_jobs["part"]).update([JobRow.charged.set(30)]),
                {("charged on the job", 20, 30)},
            ),
            (
                lambda all_jobs: job_row(all_jobs["failed"]).update([JobRow.status.set("lost")]),
                {("row", "readable", "unreadable")},
            ),
            (
                lambda all_jobs: job_row(all_jobs["failed"]).update([JobRow.quoted.remove()]),
                {("row", "readable", "unreadable")},
            ),
            (lambda _: WelcomeRow("WELCOME#ann").delete(), {("markers of a grant", 1, 0)}),
            (
                lambda _: WelcomeRow("WELCOME#ann").update([WelcomeRow.account.set("mobile/ann")]),
                {("markers of a grant", 1, 0)},
            ),
            (
                lambda _: WelcomeRow("WELCOME#ann").update([WelcomeRow.amount.set(8)]),
                {("amount of a grant marker", 7, 8)},
            ),
            (
                lambda _: next(GrantRow.query(PK, GrantRow.sk.startswith("GRANT#"))).delete(),
                {("markers of a grant", 1, 0)},
            ),
            (
                lambda _: next(
                    EntryRow.query(
                        PK, EntryRow.sk.startswith("ENTRY#"), EntryRow.reference == "order 1"
                    )
                ).update([EntryRow.reference.set("order 9")]),
                {
                    (
                        "reference of a grant marker",
                        sha256(b"order 9").hexdigest(),
                        sha256(b"order 1").hexdigest(),
                    )
                },
            ),
            (
                lambda all_jobs: next(
                    EntryRow.query(
                        PK,
                        EntryRow.sk.startswith("ENTRY#"),
                        EntryRow.job_id == all_jobs["open"].job_id,
                    )
                ).delete(),
                {
                    ("holds of a job", 1, 0),
                    ("available by the entries", 434, 404),
                    ("held by the entries", 0, 30),
                },
            ),
            (
                lambda all_jobs: DeletedRow(
                    PK,
                    f"DELETED#{all_jobs['whole'].job_id}",
                    check_queue="ended",
                    next_check_at=NOON,
                ).save(),
                {("record of a deleted job", "missing", "present")},
            ),
        ],
    )
    def test_a_row_that_was_changed_by_hand_is_found(
        self,
        tampered: Callable[[dict[str, Job]], object],
        expected: set[tuple[str, int | str, int | str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        all_jobs = eventful_account(monkeypatch)
        assert found() == set()

        tampered(all_jobs)

        unreadable = ("row", "readable", "unreadable") in expected
        assert found() >= expected if unreadable else found() == expected

    def test_a_record_that_vanished_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        all_jobs = eventful_account(monkeypatch)

        job_row(all_jobs["open"]).delete()

        assert {
            (mismatch.what, mismatch.found, mismatch.concerns) for mismatch in mismatches()
        } == {
            ("resolutions of a job without a record", 0, all_jobs["open"].job_id),
            ("jobs in flight by the open jobs", 1, None),
            ("jobs in total by the records", 5, None),
        }

    def test_a_job_that_nobody_ended_in_time_is_overdue(self) -> None:
        job = held_job(now=now())
        over_by = job.deadline_at + timedelta(seconds=job.wait_seconds + 120 + 150 + 150 + 3 * 60)

        assert mismatches(at=over_by) == []
        assert [mismatch.what for mismatch in mismatches(at=over_by + timedelta(seconds=1))] == [
            "overdue: end of an open job"
        ]

    def test_another_platforms_welcome_credits_are_not_this_accounts(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        eventful_account(monkeypatch)
        ann_on_mobile = open_account(10, AccountId("mobile", "ann"))
        assert not ledger.welcome(ann_on_mobile, now=now())

        assert mismatches(ann_on_mobile) == []

    def test_an_account_is_read_to_its_end(self) -> None:
        for number in range(60):
            ledger.grant(ANN, 1, reason="x" * 20_000, reference=str(number), now=now())

        audited = audit_accounts.audit(PK, now=now())

        assert len(list(JobRow.query(PK).page_iter)) > 1
        assert (len(audited.records.entries), audited.mismatches) == (60, ())

    def test_accounts_are_found_by_whatever_is_left_of_them(self) -> None:
        for account in (ANN, BOB, CLEO):
            held_job_of(account)
        account_row(BOB).delete()
        account_row(CLEO).delete()
        for row in EntryRow.query(partition(CLEO), EntryRow.sk.startswith("ENTRY#")):
            row.delete()
        account_records.record_progress(Progress())

        assert [pk for pk, _ in account_records.accounts()] == [
            partition(account) for account in (BOB, ANN, CLEO)
        ]


def counts(metrics: dict[str, Any]) -> dict[str, float]:
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    return {metric["Name"]: sum(metrics[metric["Name"]]) for metric in directive["Metrics"]}


def held_job_of(account: AccountId) -> Job:
    open_account(100, account)
    return ledger.hold(image_job(account=account), key=None, now=now())[0]


@pytest.mark.usefixtures("aws")
class TestAnAccountThatMoves:
    """A reading is no snapshot: what is written while it goes on must not look like a mismatch."""

    def reading(
        self,
        monkeypatch: pytest.MonkeyPatch,
        disturbances: Iterable[Callable[[Iterator[Any]], Iterator[Any]]],
    ) -> list[int]:
        """Have each reading of the account disturbed in turn; gives how many there were."""
        items, left, readings = account_records._items, iter(disturbances), [0]

        def disturbed(pk: str) -> Iterator[Any]:
            if not pk.startswith("ACCOUNT#"):
                return items(pk)
            readings[0] += 1
            return next(left)(items(pk))

        monkeypatch.setattr(account_records, "_items", disturbed)
        return readings

    @staticmethod
    def overtaken(items: Iterator[Any]) -> Iterator[Any]:
        """A job is accepted after the account's row was read, and before its records are."""
        yield next(items)
        ledger.hold(image_job(), key=None, now=now())
        yield from items

    @staticmethod
    def torn(items: Iterator[Any]) -> Iterator[Any]:
        """Of a transaction that has just been committed one row is not there yet."""
        return (item for item in items if item["sk"]["S"] != "ACCOUNT")

    @staticmethod
    def whole(items: Iterator[Any]) -> Iterator[Any]:
        return items

    def test_is_read_again_until_it_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        open_account(100)
        readings = self.reading(monkeypatch, [self.overtaken, self.overtaken, self.whole])

        audited = audit_accounts.audit(PK, now=now())

        assert (audited.mismatches, len(audited.records.jobs), readings) == ((), 2, [3])

    @pytest.mark.usefixtures("impatient")
    def test_is_given_up_when_it_never_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        open_account(1000)
        readings = self.reading(monkeypatch, repeat(self.overtaken))

        with pytest.raises(account_records.AccountUnsettled, match="web/ann"):
            audit_accounts.audit(PK, now=now())
        assert readings == [8]

    @pytest.mark.parametrize(("torn_count", "seen"), [(1, 0), (2, 0), (3, 1)])
    def test_a_mismatch_counts_when_it_is_there_in_three_readings(
        self, torn_count: int, seen: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held_job()
        self.reading(monkeypatch, chain([self.torn] * torn_count, repeat(self.whole)))

        assert len(audit_accounts.audit(PK, now=now()).mismatches) == seen

    def test_another_mismatch_in_each_reading_is_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()

        def without_job(items: Iterator[Any]) -> Iterator[Any]:
            return (item for item in items if job.job_id not in item["sk"]["S"])

        self.reading(monkeypatch, [self.torn, without_job, self.torn])

        assert audit_accounts.audit(PK, now=now()).mismatches == ()

    def test_raises_no_false_alarm_while_many_write(self, monkeypatch: pytest.MonkeyPatch) -> None:
        open_account(1000)
        rounds_count, one_at_a_time, call = 6, Lock(), BaseClient._make_api_call  # type: ignore[attr-defined]

        def atomic_call(service: Any, operation: str, arguments: Any) -> Any:
            # A transaction of DynamoDB is one between threads; moto's is not.
            with one_at_a_time:
                return call(service, operation, arguments)

        def write(number: int) -> None:
            ledger.grant(ANN, 1, reason="r", reference=str(number), now=now())
            job = ended(
                ledger.hold(image_job(num_outputs=2), key=None, now=now())[0], delivered=number % 3
            )
            if number % 2:
                delete_job.delete(ANN, job.job_id, now=now())

        monkeypatch.setattr(BaseClient, "_make_api_call", atomic_call)
        readings = self.reading(monkeypatch, repeat(self.whole))
        with ThreadPoolExecutor(3) as threads:
            for number in range(0, 3 * rounds_count, 3):
                writers = [threads.submit(write, number + writer) for writer in range(3)]
                assert audit_accounts.audit(PK, now=now()).mismatches == ()
                for writer in writers:
                    writer.result(timeout=30)

        assert readings[0] > rounds_count, "some readings were overtaken"
        assert audit_accounts.audit(PK, now=now()).mismatches == ()


def last_key_of(account: AccountId) -> tuple[str, str]:
    """The key of the last row of an account, in the order of a scan."""
    (row, *_) = AccountRow.query(partition(account), scan_index_forward=False, limit=1)
    return row.pk, row.sk


@pytest.mark.usefixtures("aws", "impatient")
class TestTheDailyRun:
    @pytest.fixture
    def run(self, capsys: pytest.CaptureFixture[str]) -> Run:
        """Run the function with time for so many accounts, and give the metrics that it wrote."""

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

    def test_counts_the_accounts_and_says_that_nothing_differs(self, run: Run) -> None:
        for account in (ANN, BOB):
            held_job_of(account)

        assert counts(run()) == {"AccountsAudited": 2, "AuditsFailed": 0, "LedgerMismatches": 0}

    def test_names_each_mismatch_with_ids_alone(
        self, run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        names = [field.name for field in fields(Mismatch)]
        held_job_of(BOB)
        job = held_job_of(ANN)
        job_row(job).update([JobRow.held.set(9)])
        account_row().update([AccountRow.jobs_total.set(3)])

        assert counts(run()) == {"AccountsAudited": 2, "AuditsFailed": 0, "LedgerMismatches": 2}
        assert [
            {name: vars(record)[name] for name in names}
            for record in caplog.records
            if record.levelname == "ERROR"
        ] == [
            dict(zip(names, ("web/ann", "jobs in total by the records", 1, 3, None), strict=True)),
            dict(zip(names, ("web/ann", "held on the job", 10, 9, job.job_id), strict=True)),
        ]
        assert caplog.records[-1].finished  # type: ignore[attr-defined]

    def test_goes_on_where_it_stopped_until_all_have_had_their_turn(self, run: Run) -> None:
        people = [AccountId("web", f"user-{number}") for number in range(5)]
        for account in people:
            held_job_of(account)

        runs = [counts(run(accounts_count=2))["AccountsAudited"] for _ in range(4)]

        assert runs == [2, 2, 1, 2]
        assert account_records.progress() == Progress(last_key_of(people[1]))

    @pytest.mark.parametrize("place", range(5))
    def test_a_mismatch_stands_until_a_whole_round_has_found_none(
        self, place: int, run: Run
    ) -> None:
        people = [AccountId("web", f"user-{number}") for number in range(5)]
        for account in people:
            held_job_of(account)
        found_by = place // 2
        account_row(people[place]).update([AccountRow.jobs_total.set(2)])

        broken = [counts(run(accounts_count=2))["LedgerMismatches"] for _ in range(6)]
        account_row(people[place]).update([AccountRow.jobs_total.set(1)])
        mended = [counts(run(accounts_count=2))["LedgerMismatches"] for _ in range(3)]

        assert broken == [0] * found_by + [1] * (6 - found_by)
        assert mended == [1, 1, 0]

    def test_goes_on_also_when_the_row_behind_which_it_stopped_is_gone(self, run: Run) -> None:
        held_job_of(BOB)
        held_job_of(ANN)
        run(accounts_count=1)
        pk, sk = last_key_of(BOB)
        assert account_records.progress().after == (pk, sk)

        client("dynamodb").delete_item(
            TableName="darkroom-test", Key={"pk": {"S": pk}, "sk": {"S": sk}}
        )

        assert counts(run()) == {"AccountsAudited": 1, "AuditsFailed": 0, "LedgerMismatches": 0}
        assert account_records.progress() == Progress()

    def test_one_account_that_fails_does_not_keep_the_others_unaudited(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for account in (BOB, ANN):
            held_job_of(account)
        account_row(ANN).update([AccountRow.jobs_total.set(2)])
        audit_one = audit_accounts.audit

        def failing_audit(pk: str, *, now: datetime) -> audit_accounts.Audit:
            if pk == partition(BOB):
                raise account_records.AccountUnsettled("mobile/bob")
            return audit_one(pk, now=now)

        with monkeypatch.context() as error:
            error.setattr(audit_accounts, "audit", failing_audit)
            runs = [counts(run(accounts_count=1)) for _ in range(3)]

        # Until a whole round could be read, the one that could not stays in the alarm.
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

    def test_remembers_how_far_it_came_when_the_table_stops_answering(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for account in (BOB, ANN):
            held_job_of(account)
        found_accounts = account_records.accounts

        def interrupted(*, after: Key | None = None) -> Iterator[tuple[str, Key]]:
            yield next(found_accounts(after=after))
            raise ConnectionError

        with monkeypatch.context() as broken:
            broken.setattr(account_records, "accounts", interrupted)
            with pytest.raises(ConnectionError):
                run()

        assert counts(run()) == {"AccountsAudited": 1, "AuditsFailed": 0, "LedgerMismatches": 0}

    def test_writes_the_metrics_that_the_alarms_look_at(self, run: Run) -> None:
        metrics = run()
        (directive,) = metrics["_aws"]["CloudWatchMetrics"]
        alarms = [
            TEMPLATE["Resources"][name]["Properties"]
            for name in ("LedgerMismatchAlarm", "AuditFailedAlarm", "AuditMissingAlarm")
        ]
        environment = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]

        assert environment["POWERTOOLS_METRICS_NAMESPACE"] == directive["Namespace"]
        assert environment["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}, (
            "which is the value of the dimension"
        )
        for alarm in alarms:
            assert alarm["Namespace"] == directive["Namespace"]
            assert alarm["MetricName"] in metrics
            assert [[dimension["Name"] for dimension in alarm["Dimensions"]]] == directive[
                "Dimensions"
            ]
            assert {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]} == {
                "service": {"Ref": "AWS::StackName"}
            }


class TestTheCommand:
    STACK = "darkroom-of-a-test"

    @pytest.fixture
    def aws_on_a_port(self) -> Iterator[LocalAws]:
        endpoint = LocalAws(0)
        endpoint.start()
        yield endpoint
        endpoint.stop()

    @pytest.fixture
    def dynamodb(self, aws_on_a_port: LocalAws) -> Any:
        """The client of a stack's table, which holds one account that was given ten credits."""
        table = {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                name: TEMPLATE["Resources"]["Table"]["Properties"][name]
                for name in _TABLE_PROPERTIES
            },
        }
        template = {
            "Resources": {"Table": table},
            "Outputs": {"TableName": {"Value": {"Ref": "Table"}}},
        }
        local_account.client("cloudformation", aws_on_a_port.url).create_stack(
            StackName=self.STACK, TemplateBody=json.dumps(template)
        )
        dynamodb = local_account.client("dynamodb", aws_on_a_port.url)
        for row in TEN_CREDITS:
            self.put(dynamodb, row)
        return dynamodb

    def put(self, dynamodb: Any, row: dict[str, Any]) -> None:
        (table,) = dynamodb.list_tables()["TableNames"]
        item = {
            name: {"N": str(value)} if isinstance(value, int) else {"S": value}
            for name, value in row.items()
        }
        dynamodb.put_item(TableName=table, Item=item)

    def audited(
        self, aws_url: str, *arguments: str, endpoint: str | None = None
    ) -> tuple[int, str, str]:
        """The exit status of the command, and what it printed."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": "shared",
            "AWS_PORT": aws_url.rpartition(":")[2],
        }
        if endpoint:
            keys = {
                "AWS_ACCESS_KEY_ID": local_account.ACCESS_KEY_ID,
                "AWS_SECRET_ACCESS_KEY": local_account.SECRET_ACCESS_KEY,
            }
            environment |= {
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_DEFAULT_REGION": local_account.REGION,
                "NO_PROXY": "127.0.0.1",
                **keys,
            }
        command = [sys.executable, "-m", "tools.audit", *arguments]
        ran = subprocess.run(
            command,
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return ran.returncode, ran.stdout, ran.stderr

    @pytest.mark.usefixtures("dynamodb")
    def test_says_what_there_is_and_that_it_is_right(self, aws_on_a_port: LocalAws) -> None:
        status, printed, complained = self.audited(aws_on_a_port.url)

        assert (status, complained) == (0, "")
        assert dict(line.rsplit(maxsplit=1) for line in printed.splitlines()) == {
            "accounts": "1", "entries": "1", "jobs": "0", "mismatches": "0",
            "credits granted": "10", "credits available": "10", "credits held": "0", "credits spent": "0",
        }  # fmt: skip

    def test_names_each_mismatch_of_a_deployed_stack_on_a_line_of_its_own(
        self, aws_on_a_port: LocalAws, dynamodb: Any
    ) -> None:
        self.put(dynamodb, ACCOUNT | {"available": 9})

        status, printed, _ = self.audited("", self.STACK, endpoint=aws_on_a_port.url)

        assert status == 1
        assert printed.splitlines()[:2] == [
            "web/ann: available by the entries: expected 10, found 9",
            "web/ann: granted by available + held + spent: expected 9, found 10",
        ]
        assert printed.splitlines()[-1].split() == ["mismatches", "2"]

    def test_says_why_when_there_is_nothing_to_audit(self, aws_on_a_port: LocalAws) -> None:
        url = aws_on_a_port.url

        assert self.audited(url) == (
            2,
            "",
            f"What answers at {url} is not Darkroom: it has 0 tables.\n",
        )
        status, printed, complained = self.audited("", "nowhere", endpoint=url)

        assert (status, printed) == (2, "")
        assert complained.startswith("The stack nowhere cannot be read: ")

    def test_says_what_to_do_when_nothing_answers(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        assert self.audited(url) == (
            2,
            "",
            f"Nothing answers at {url}. Start `make run`, or name a deployed stack: make audit STACK=darkroom-prod\n",
        )


ACCOUNT = {
    "pk": PK,
    "sk": "ACCOUNT",
    "granted": 10,
    "available": 10,
    "held": 0,
    "spent": 0,
    "in_flight": 0,
    "jobs_total": 0,
    "revision": 1,
}
TEN_CREDITS: list[dict[str, Any]] = [
    ACCOUNT,
    {
        "pk": PK, "sk": "ENTRY#1", "kind": "grant", "granted": 10, "available": 10, "held": 0, "spent": 0,
        "reference": "r", "created_at": "2026-01-02T12:00:00.000000+0000",
    },
    {"pk": PK, "sk": "GRANT#454349e422f05297191ead13e21d3db520e5abef52055e4964b82fb213f593a1", "entry_sk": "ENTRY#1", "amount": 10},
]  # fmt: skip
