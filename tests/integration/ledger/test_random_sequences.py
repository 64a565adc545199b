"""The ledger balances after any sequence of its verbs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import astuple
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import (
    InsufficientCredits,
    InvalidRequest,
    TooManyJobs,
)
from darkroom.domain.jobs import Job
from darkroom.storage import grants, jobs, ledger
from tests.builders import NOON, image_job, stored
from tests.integration.ledger.balances import (
    all_entries,
    output,
)

pytestmark = pytest.mark.usefixtures("aws")


_numbers = count()

type Verb = tuple[str, int]

_verbs = st.lists(
    st.tuples(
        st.sampled_from(["grant", "hold", "hold_again", "deliver", "resolve"]),
        st.integers(min_value=-40, max_value=40),
    ),
    min_size=1,
    max_size=14,
)


class RandomAccount:
    """An account and its jobs. The number of a verb is an amount, or selects a job."""

    def __init__(self, account: AccountId) -> None:
        self.account = account
        self.jobs: list[Job] = []

    def apply(self, verb: str, number: int) -> None:
        if self.jobs or verb in {"grant", "hold"}:
            getattr(self, verb)(number)

    def grant(self, amount: int) -> None:
        grants.grant(self.account, amount or 1, reason="r", reference=str(amount), now=NOON)

    def hold(self, number: int) -> None:
        job = image_job(account=self.account, num_outputs=abs(number) % 4 + 1)
        self.jobs.append(ledger.hold(job, key=None, now=NOON)[0])

    def hold_again(self, number: int) -> None:
        ledger.hold(self.job(number), key=None, now=NOON)

    def deliver(self, number: int) -> None:
        job = stored(self.job(number))
        jobs.record_output(job, output(len(job.outputs)))

    def resolve(self, number: int) -> None:
        ledger.resolve(self.account, self.job(number).job_id, now=NOON)

    def job(self, number: int) -> Job:
        return self.jobs[number % len(self.jobs)]


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_verbs)
def test_the_balance_equals_the_sum_of_entries_after_any_verbs(verbs: list[Verb]) -> None:
    account = AccountId("web", f"account-{next(_numbers)}")
    random_account = RandomAccount(account)

    for verb, number in verbs:
        with suppress(InsufficientCredits, TooManyJobs, InvalidRequest):
            random_account.apply(verb, number)

        balance = ledger.balance(account)
        assert balance.granted == balance.available + balance.held + balance.spent
        assert min(astuple(balance)) >= 0

    entries = all_entries(account)
    for counter in ("granted", "available", "held", "spent"):
        assert getattr(balance, counter) == sum(getattr(entry, counter) for entry in entries)
    assert all(entry.granted == entry.available + entry.held + entry.spent for entry in entries)
    records = [stored(job) for job in random_account.jobs]
    assert balance.in_flight == sum(not job.status.is_final for job in records)
    assert balance.held == sum(job.held for job in records)
    assert all(
        job.charged + job.refunded == job.quoted and job.held == 0
        for job in records
        if job.status.is_final
    )
