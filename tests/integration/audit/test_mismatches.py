"""The audit reads whole accounts and finds each row that does not match."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.domain.audit import Progress
from darkroom.domain.jobs import Job, JobStatus
from darkroom.services import audit_accounts
from darkroom.storage import account_records, ledger
from darkroom.storage.job_rows import JobRow, partition
from darkroom.storage.table import AccountRow, DeletedRow, EntryRow, GrantRow, WelcomeRow
from tests.builders import ANN, NOON, held_job, open_account
from tests.integration.audit.accounts import (
    BOB,
    CLEO,
    PK,
    account_row,
    eventful_account,
    found,
    held_job_of,
    job_row,
    mismatches,
    now,
)


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
