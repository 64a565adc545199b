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
from darkroom.storage import account_records, ledger
from tests.builders import ANN, held_job, image_job, open_account
from tests.integration.audit.accounts import (
    PK,
    ended,
    now,
)


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
