"""Writes during an audit cause no false mismatch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from threading import Lock
from typing import Any

import pytest
from botocore.client import BaseClient

from darkroom.services import audit_accounts, delete_job
from darkroom.storage import account_records, grants, ledger
from tests.builders import ANN, held_job, image_job, open_account
from tests.integration.audit.accounts import (
    PK,
    end_job,
    now,
)


@pytest.mark.usefixtures("aws")
class TestConcurrentWrites:
    """The audit reads several pages. Writes between two pages must not appear as mismatches."""

    def disturb_readings(
        self,
        monkeypatch: pytest.MonkeyPatch,
        disturbances: Iterable[Callable[[Iterator[Any]], Iterator[Any]]],
    ) -> list[int]:
        """Change each reading of the account. Returns a list with the number of readings."""
        items, remaining, readings = account_records._items, iter(disturbances), [0]

        def disturbed_items(pk: str) -> Iterator[Any]:
            if not pk.startswith("ACCOUNT#"):
                return items(pk)
            readings[0] += 1
            return next(remaining)(items(pk))

        monkeypatch.setattr(account_records, "_items", disturbed_items)
        return readings

    @staticmethod
    def hold_during_reading(items: Iterator[Any]) -> Iterator[Any]:
        """Hold a job after the row of the account was read and before its records are read."""
        yield next(items)
        ledger.hold(image_job(), key=None, now=now())
        yield from items

    @staticmethod
    def without_account_row(items: Iterator[Any]) -> Iterator[Any]:
        """Omit the account row, as a reading during the commit of a transaction can."""
        return (item for item in items if item["sk"]["S"] != "ACCOUNT")

    @staticmethod
    def unchanged(items: Iterator[Any]) -> Iterator[Any]:
        return items

    def test_reads_an_account_again_until_it_does_not_change(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(100)
        readings = self.disturb_readings(
            monkeypatch, [self.hold_during_reading, self.hold_during_reading, self.unchanged]
        )

        audited = audit_accounts.audit(PK, now=now())

        assert (audited.mismatches, len(audited.records.jobs), readings) == ((), 2, [3])

    @pytest.mark.usefixtures("short_pauses")
    def test_raises_an_error_after_8_readings_that_all_differ(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(1000)
        readings = self.disturb_readings(monkeypatch, repeat(self.hold_during_reading))

        with pytest.raises(account_records.AccountUnsettled, match="web/ann"):
            audit_accounts.audit(PK, now=now())
        assert readings == [8]

    @pytest.mark.parametrize(("incomplete_count", "mismatches_count"), [(1, 0), (2, 0), (3, 1)])
    def test_reports_a_mismatch_that_three_readings_have_in_common(
        self, incomplete_count: int, mismatches_count: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held_job()
        self.disturb_readings(
            monkeypatch,
            chain([self.without_account_row] * incomplete_count, repeat(self.unchanged)),
        )

        assert len(audit_accounts.audit(PK, now=now()).mismatches) == mismatches_count

    def test_ignores_mismatches_that_differ_between_readings(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()

        def without_job(items: Iterator[Any]) -> Iterator[Any]:
            return (item for item in items if job.job_id not in item["sk"]["S"])

        self.disturb_readings(
            monkeypatch, [self.without_account_row, without_job, self.without_account_row]
        )

        assert audit_accounts.audit(PK, now=now()).mismatches == ()

    def test_reports_no_mismatch_while_several_threads_write(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(1000)
        rounds_count, lock = 6, Lock()
        call = BaseClient._make_api_call  # type: ignore[attr-defined]

        def atomic_call(service: Any, operation: str, arguments: Any) -> Any:
            # Transactions are atomic in DynamoDB. In moto they are not.
            with lock:
                return call(service, operation, arguments)

        def write(number: int) -> None:
            grants.grant(ANN, 1, reason="r", reference=str(number), now=now())
            job = end_job(
                ledger.hold(image_job(num_outputs=2), key=None, now=now())[0], delivered=number % 3
            )
            if number % 2:
                delete_job.delete(ANN, job.job_id, now=now())

        monkeypatch.setattr(BaseClient, "_make_api_call", atomic_call)
        readings = self.disturb_readings(monkeypatch, repeat(self.unchanged))
        with ThreadPoolExecutor(3) as threads:
            for number in range(0, 3 * rounds_count, 3):
                writers = [threads.submit(write, number + writer) for writer in range(3)]
                assert audit_accounts.audit(PK, now=now()).mismatches == ()
                for writer in writers:
                    writer.result(timeout=30)

        assert readings[0] > rounds_count, "some writes happened during a reading"
        assert audit_accounts.audit(PK, now=now()).mismatches == ()
