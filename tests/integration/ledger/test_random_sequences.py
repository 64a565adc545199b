"""The ledger balances after any sequence of its verbs."""

from __future__ import annotations

from collections.abc import Callable
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
from darkroom.storage import jobs, ledger
from tests.builders import NOON, image_job, stored
from tests.integration.ledger.balances import (
    all_entries,
    output,
)

pytestmark = pytest.mark.usefixtures("aws")


_names = count()


type Verb = tuple[str, int]


_verbs = st.lists(
    st.tuples(
        st.sampled_from(["grant", "hold", "hold again", "deliver", "resolve"]),
        st.integers(min_value=-40, max_value=40),
    ),
    min_size=1,
    max_size=14,
)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_verbs)
def test_the_ledger_balance_after_whatever_sequence_of_verbs(verbs: list[Verb]) -> None:
    account = AccountId("web", f"account-{next(_names)}")
    all_jobs: list[Job] = []
    doing: dict[str, Callable[[int], object]] = {
        "grant": lambda amount: ledger.grant(
            account, amount or 1, reason="a reason", reference=str(amount), now=NOON
        ),
        "hold": lambda amount: all_jobs.append(
            ledger.hold(
                image_job(account=account, num_outputs=abs(amount) % 4 + 1), key=None, now=NOON
            )[0]
        ),
        "hold again": lambda amount: (
            ledger.hold(all_jobs[amount % len(all_jobs)], key=None, now=NOON) if all_jobs else None
        ),
        "deliver": lambda amount: (
            all_jobs
            and jobs.record_output(
                now := stored(all_jobs[amount % len(all_jobs)]), output(len(now.outputs))
            )
        ),
        "resolve": lambda amount: (
            all_jobs and ledger.resolve(account, all_jobs[amount % len(all_jobs)].job_id, now=NOON)
        ),
    }
    for verb, amount in verbs:
        with suppress(InsufficientCredits, TooManyJobs, InvalidRequest):
            doing[verb](amount)

        balance = ledger.balance(account)
        assert balance.granted == balance.available + balance.held + balance.spent
        assert min(astuple(balance)) >= 0

    entries = all_entries(account)
    for counter in ("granted", "available", "held", "spent"):
        assert getattr(balance, counter) == sum(getattr(entry, counter) for entry in entries)
    assert all(entry.granted == entry.available + entry.held + entry.spent for entry in entries)
    records = [stored(job) for job in all_jobs]
    assert balance.in_flight == sum(not job.status.is_final for job in records)
    assert balance.held == sum(job.held for job in records)
    assert all(
        job.charged + job.refunded == job.quoted and job.held == 0
        for job in records
        if job.status.is_final
    )
