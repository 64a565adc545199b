"""The repair of an account's counters: what can be repaired, and what an operator must decide.

The sources of truth are the entries and the jobs' records. An entry never changes, and the audit
compares each entry with its job. So a repair sets `held` and `spent` to the sums of the entries,
`in_flight` to the number of open jobs, and `jobs_total` to the number of records.

A repair never changes `available` or `granted`, because these credits belong to the user. If any
other value of the account is wrong, nothing is repaired: then the entries may be wrong, too. The
only exception is an overdue job, which has correct amounts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from darkroom.domain.accounts import Balance
from darkroom.domain.audit import OVERDUE, AccountRecords, Mismatch, mismatches

_REPAIRED = ("held", "spent", "in_flight", "jobs_total")
# What an operator does about a mismatch that is not repaired, by the beginning of its text.
_ADVICE = (
    ("overdue:", "the job does not end: see docs/operations.md#stuck-job"),
    ("row", "restore the row from a point in time: see docs/operations.md#restore"),
    (
        ("held by the", "held, ", "spent by the", "spent, ", "jobs in"),
        "repaired after the other mismatches: run the command again then",
    ),
    (
        ("granted", "available by", "available, ", "held of a ", "spent of a ", "kind of an entry"),
        "credits or an entry are wrong, decide which: see docs/operations.md#ledger-mismatch",
    ),
    (
        ("markers", "entry of a", "amount of a", "reference of a"),
        "a marker: see docs/operations.md#ledger-mismatch",
    ),
)
_ADVICE_ABOUT_JOBS = "a job and its entries differ: see docs/operations.md#ledger-mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """The repair of one account, and the mismatches that remain after it.

    `found` and `repaired` are equal if nothing can be repaired. `revision` is the account's
    revision for which this repair is valid.
    """

    account: str
    revision: int
    found: Balance
    repaired: Balance
    remaining: tuple[Mismatch, ...]

    @property
    def changes(self) -> dict[str, tuple[int, int]]:
        """The found and the repaired value of each counter that changes."""
        values = {
            name: (getattr(self.found, name), getattr(self.repaired, name)) for name in _REPAIRED
        }
        return {name: pair for name, pair in values.items() if pair[0] != pair[1]}

    @property
    def reason(self) -> str:
        """The reason on the entry that records this repair."""
        changes = (f"{name} {old} to {new}" for name, (old, new) in self.changes.items())
        return f"repair: {', '.join(changes)}"

    @property
    def reference(self) -> str:
        """The reference of the entry. One revision of an account is repaired at most once."""
        return f"repair-of-revision-{self.revision}"


def plan(records: AccountRecords, *, now: datetime) -> Repair:
    """Return the repair of an account that has mismatches."""
    found = records.balance or Balance()
    computed = replace(
        found,
        held=sum(entry.held for entry in records.entries),
        spent=sum(entry.spent for entry in records.entries),
        in_flight=sum(not job.status.is_final for job in records.jobs),
        jobs_total=len(records.jobs),
    )
    remaining = mismatches(replace(records, balance=computed), now=now) if records.balance else []
    is_possible = records.balance and all(mismatch.what == OVERDUE for mismatch in remaining)
    return Repair(
        account=records.account,
        revision=records.revision,
        found=found,
        repaired=computed if is_possible else found,
        remaining=tuple(remaining if is_possible else mismatches(records, now=now)),
    )


def advice(mismatch: Mismatch) -> str:
    """Return what an operator does about a mismatch. It names a section of docs/operations.md."""
    for beginnings, text in _ADVICE:
        if mismatch.what.startswith(beginnings):
            return text
    return _ADVICE_ABOUT_JOBS
