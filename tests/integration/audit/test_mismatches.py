"""The audit reads whole accounts and finds each row that does not match."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

import pytest
from pynamodb.expressions.condition import Condition

from darkroom.domain.accounts import AccountId
from darkroom.domain.audit_progress import Progress
from darkroom.domain.jobs import Job, JobStatus
from darkroom.services import audit_accounts
from darkroom.storage import account_records, grants
from darkroom.storage.job_rows import JobRow, partition
from darkroom.storage.table import AccountRow, DeletedRow, EntryRow, GrantRow, WelcomeRow
from tests.builders import ANN, NOON, held_job, open_account
from tests.integration.audit.accounts import (
    BOB,
    CLEO,
    PK,
    Difference,
    account_row,
    account_with_all_ends,
    differences,
    hold_job_of,
    job_row,
    mismatches,
    now,
)

type Tamper = Callable[[dict[str, Job]], object]


def entry_of(condition: Condition) -> EntryRow:
    """Return the first entry of the account that meets the condition."""
    return next(EntryRow.query(PK, EntryRow.sk.startswith("ENTRY#"), condition))


TAMPERED_ROWS = [
    pytest.param(
        lambda _: account_row().update([AccountRow.spent.add(1)]),
        {
            ("spent by the entries", 60, 61),
            ("granted by available + held + spent", 495, 494),
        },
        id="spent credits",
    ),
    pytest.param(
        lambda _: account_row().update([AccountRow.jobs_total.set(6)]),
        {("jobs in total by the records", 5, 6)},
        id="jobs in total",
    ),
    pytest.param(
        lambda _: account_row().update([AccountRow.in_flight.set(0)]),
        {("jobs in flight by the open jobs", 1, 0)},
        id="jobs in flight",
    ),
    pytest.param(
        lambda _: account_row().delete(),
        {("row of the account", "present", "missing")},
        id="deleted account row",
    ),
    pytest.param(
        lambda all_jobs: job_row(all_jobs["partial"]).update([JobRow.charged.set(30)]),
        {("charged on the job", 20, 30)},
        id="charged credits of a job",
    ),
    pytest.param(
        lambda _: WelcomeRow("WELCOME#ann").delete(),
        {("markers of a grant", 1, 0)},
        id="deleted welcome marker",
    ),
    pytest.param(
        lambda _: WelcomeRow("WELCOME#ann").update([WelcomeRow.account.set("mobile/ann")]),
        {("markers of a grant", 1, 0)},
        id="account of the welcome marker",
    ),
    pytest.param(
        lambda _: WelcomeRow("WELCOME#ann").update([WelcomeRow.amount.set(8)]),
        {("amount of a grant marker", 7, 8)},
        id="amount of the welcome marker",
    ),
    pytest.param(
        lambda _: next(GrantRow.query(PK, GrantRow.sk.startswith("GRANT#"))).delete(),
        {("markers of a grant", 1, 0)},
        id="deleted grant marker",
    ),
    pytest.param(
        lambda _: entry_of(EntryRow.reference == "order 1").update(
            [EntryRow.reference.set("order 9")]
        ),
        {
            (
                "reference of a grant marker",
                sha256(b"order 9").hexdigest(),
                sha256(b"order 1").hexdigest(),
            )
        },
        id="reference of a grant",
    ),
    pytest.param(
        lambda all_jobs: entry_of(EntryRow.job_id == all_jobs["open"].job_id).delete(),
        {
            ("holds of a job", 1, 0),
            ("available by the entries", 434, 404),
            ("held by the entries", 0, 30),
        },
        id="deleted entry of a hold",
    ),
    pytest.param(
        lambda all_jobs: DeletedRow(
            PK,
            f"DELETED#{all_jobs['complete'].job_id}",
            check_queue="ended",
            next_check_at=NOON,
        ).save(),
        {("record of a deleted job", "missing", "present")},
        id="deletion of an existing job",
    ),
]
UNREADABLE_ROWS = [
    pytest.param(
        lambda all_jobs: job_row(all_jobs["failed"]).update([JobRow.status.set("lost")]),
        id="unknown status",
    ),
    pytest.param(
        lambda all_jobs: job_row(all_jobs["failed"]).update([JobRow.quoted.remove()]),
        id="missing price",
    ),
]


@pytest.mark.usefixtures("aws", "short_pauses")
class TestMismatches:
    def test_finds_no_mismatch_if_the_jobs_ended_in_every_way(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        all_jobs = account_with_all_ends(monkeypatch)

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
        assert audited.records.deleted == {all_jobs["deleted"].job_id}

    @pytest.mark.parametrize(("tamper", "expected"), TAMPERED_ROWS)
    def test_finds_a_row_that_was_changed_by_hand(
        self,
        tamper: Tamper,
        expected: set[Difference],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        all_jobs = account_with_all_ends(monkeypatch)
        assert differences() == set()

        tamper(all_jobs)

        assert differences() == expected

    @pytest.mark.parametrize("tamper", UNREADABLE_ROWS)
    def test_finds_an_unreadable_row(self, tamper: Tamper, monkeypatch: pytest.MonkeyPatch) -> None:
        all_jobs = account_with_all_ends(monkeypatch)
        assert differences() == set()

        tamper(all_jobs)

        assert differences() >= {("row", "readable", "unreadable")}

    def test_finds_a_deleted_record_of_an_open_job(self, monkeypatch: pytest.MonkeyPatch) -> None:
        all_jobs = account_with_all_ends(monkeypatch)

        job_row(all_jobs["open"]).delete()

        assert {
            (mismatch.what, mismatch.found, mismatch.concerns) for mismatch in mismatches()
        } == {
            ("resolutions of a job without a record", 0, all_jobs["open"].job_id),
            ("jobs in flight by the open jobs", 1, None),
            ("jobs in total by the records", 5, None),
        }

    def test_finds_an_open_job_that_is_overdue(self) -> None:
        job = held_job(now=now())
        overdue_at = job.queue_until + timedelta(seconds=60 + job.wait_seconds + 150 + 150 + 3 * 60)

        assert mismatches(at=overdue_at) == []
        assert [mismatch.what for mismatch in mismatches(at=overdue_at + timedelta(seconds=1))] == [
            "overdue: end of an open job"
        ]

    def test_ignores_the_welcome_credits_of_the_same_user_on_another_platform(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account_with_all_ends(monkeypatch)
        ann_on_mobile = open_account(10, AccountId("mobile", "ann"))
        assert not grants.welcome(ann_on_mobile, now=now())

        assert mismatches(ann_on_mobile) == []

    def test_reads_every_page_of_an_account(self) -> None:
        for number in range(60):
            grants.grant(ANN, 1, reason="x" * 20_000, reference=str(number), now=now())

        audited = audit_accounts.audit(PK, now=now())

        assert len(list(JobRow.query(PK).page_iter)) > 1
        assert (len(audited.records.entries), audited.mismatches) == (60, ())

    def test_finds_accounts_by_any_row_that_is_left(self) -> None:
        for account in (ANN, BOB, CLEO):
            hold_job_of(account)
        account_row(BOB).delete()
        account_row(CLEO).delete()
        for row in EntryRow.query(partition(CLEO), EntryRow.sk.startswith("ENTRY#")):
            row.delete()
        account_records.record_progress(Progress())

        assert [pk for pk, _ in account_records.accounts()] == [
            partition(account) for account in (BOB, ANN, CLEO)
        ]
