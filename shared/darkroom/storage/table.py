"""The rows of Darkroom's single DynamoDB table. Jobs and uploads have modules of their own.

Every row has a partition key `pk` and a sort key `sk`. One partition has all rows of an account:

    pk                        sk                      row
    ACCOUNT#platform#user     ACCOUNT                 AccountRow
    ACCOUNT#platform#user     ENTRY#id                EntryRow
    ACCOUNT#platform#user     GRANT#hash              GrantRow
    ACCOUNT#platform#user     JOB#id                  JobRow
    ACCOUNT#platform#user     DELETED#id              DeletedRow
    ACCOUNT#platform#user     REQUEST#hash            RequestRow
    ACCOUNT#platform#user     RATE#minute             RateWindowRow
    ACCOUNT#platform#user     FLOW#provider           FlowRow
    ACCOUNT#platform#user     UPLOAD#id               UploadRow
    LIMIT#platform#user       act#window              LimitRow
    WELCOME#user              WELCOME                 WelcomeRow
    SLOT#provider             number                  SlotRow
    SLOT#provider             state                   ProviderStateRow
    QUEUE#provider            start#time#id           QueueEntryRow
    FLAG                      name                    FlagRow
    AUDIT                     PROGRESS                AuditRow
    DELIVERY#job              time                    DeliveryRow
    RECEIVER#platform#user    hash                    ReceiverRow
    USAGE                     ACCOUNT#platform/user   UsageRow
    SPEND#provider            day                     SpendRow

`lookup_key` is the hash key of the index `lookup`. Only the rows of accounts and jobs have it, and
its value is their sort key. So the index finds a job by its id alone, and lists all accounts.

`expires_at` is the table's TTL attribute, in seconds since 1970. DynamoDB may delete a row days
after this time, so code never relies on the deletion.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)
from pynamodb.connection.table import TableConnection
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from darkroom.domain.accounts import Balance, Entry
from darkroom.settings import settings
from darkroom.storage.connections import share_client

ENTRY_PREFIX = "ENTRY#"
ACCOUNT_KEY = "ACCOUNT"


class Row(Model):
    """The base class of all rows: the table's name, the shared client and the two keys."""

    class Meta:
        """The table's settings for PynamoDB."""

        table_name = settings().table_name

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)

    @classmethod
    def _get_connection(cls) -> TableConnection:
        connection = super()._get_connection()
        share_client(connection.connection)
        return connection


class LookupIndex(GlobalSecondaryIndex[Any]):
    """The index of the accounts and the jobs, by `lookup_key`, sorted by the account."""

    class Meta:
        """The index's settings for PynamoDB."""

        index_name = "lookup"
        projection = KeysOnlyProjection()

    lookup_key = UnicodeAttribute(hash_key=True)
    pk = UnicodeAttribute(range_key=True)


class LookupRow(Row):
    """The row of an account or a job, as the index `lookup` has it."""

    lookup_key = UnicodeAttribute(null=True)

    lookup = LookupIndex()


class AccountRow(Row):
    """The balance of one account: `granted = available + held + spent`.

    Each write that moves credits or counts jobs adds one to `revision`. `seen_at` is the time of
    the first request with a token of the account. A suspended account has `suspended_at`.
    """

    sk = UnicodeAttribute(range_key=True, default=ACCOUNT_KEY)
    available = NumberAttribute(default=0)
    held = NumberAttribute(default=0)
    spent = NumberAttribute(default=0)
    granted = NumberAttribute(default=0)
    in_flight = NumberAttribute(default=0)
    jobs_total = NumberAttribute(default=0)
    revision = NumberAttribute(default=0)
    welcomed_at = UTCDateTimeAttribute(null=True)
    callback_secret = UnicodeAttribute(null=True)
    callback_secret_before = UnicodeAttribute(null=True)
    callback_secret_rotated_at = UTCDateTimeAttribute(null=True)
    seen_at = UTCDateTimeAttribute(null=True)
    suspended_at = UTCDateTimeAttribute(null=True)
    suspended_by = UnicodeAttribute(null=True)
    suspended_reason = UnicodeAttribute(null=True)
    lookup_key = UnicodeAttribute(null=True)


class EntryRow(Row):
    """An entry of the ledger: the signed changes of one transaction.

    It never changes or expires. `by` is the account of the administrator who granted or corrected.
    """

    kind = UnicodeAttribute()
    granted = NumberAttribute(default=0)
    available = NumberAttribute(default=0)
    held = NumberAttribute(default=0)
    spent = NumberAttribute(default=0)
    job_id = UnicodeAttribute(null=True)
    reference = UnicodeAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    by = UnicodeAttribute(null=True)
    cost_micro_usd = NumberAttribute(null=True)
    created_at = UTCDateTimeAttribute()


class GrantRow(Row):
    """The marker of a granted reference. It names the entry and prevents a second grant.

    The marker of a repair has the amount 0.
    """

    entry_sk = UnicodeAttribute()
    amount = NumberAttribute()


class RequestRow(Row):
    """The job that was accepted for an Idempotency-Key. Conditions compare `expires_at`."""

    job_id = UnicodeAttribute()
    body_hash = UnicodeAttribute()
    expires_at = NumberAttribute()


class RateWindowRow(Row):
    """The number of jobs of an account that were accepted in one minute."""

    jobs = NumberAttribute()
    expires_at = NumberAttribute()


class LimitRow(Row):
    """The amount of one costly act of an account in one window. `used` never exceeds the limit."""

    used = NumberAttribute()
    expires_at = NumberAttribute()


class WelcomeRow(Row):
    """The marker of a user's welcome credits. It names the account and the entry.

    It is not in an account's partition, because a user may have several accounts.
    """

    sk = UnicodeAttribute(range_key=True, default="WELCOME")
    account = UnicodeAttribute()
    entry_sk = UnicodeAttribute()
    amount = NumberAttribute()


class DeletedRow(Row):
    """The mark of a deleted job.

    Recovery deletes the media that a late invocation may still have written, then the mark.
    """

    check_queue = UnicodeAttribute()
    next_check_at = UTCDateTimeAttribute()


class FlagRow(Row):
    """A feature flag of this deployment."""

    pk = UnicodeAttribute(hash_key=True, default="FLAG")
    sk = UnicodeAttribute(range_key=True)
    is_enabled = BooleanAttribute()
    changed_at = UTCDateTimeAttribute()
    changed_by = UnicodeAttribute()
    reason = UnicodeAttribute(null=True)


class DeliveryRow(Row):
    """One try of a job's callback. Jobs share no partition with their deliveries.

    So the policy of the function that calls receivers allows writes of deliveries alone.
    """

    at = UTCDateTimeAttribute()
    status = NumberAttribute(null=True)
    seconds = NumberAttribute()
    next_at = UTCDateTimeAttribute(null=True)
    expires_at = NumberAttribute()


class ReceiverRow(Row):
    """The timeouts in a row of an account's callbacks to one host.

    The row is deleted at the next response of the host. `paused_until` is set after several
    timeouts.
    """

    timeouts = NumberAttribute(default=0)
    paused_until = UTCDateTimeAttribute(null=True)
    expires_at = NumberAttribute(null=True)


class AuditRow(Row):
    """The progress of the audit's round through all accounts, and the results of two rounds."""

    pk = UnicodeAttribute(hash_key=True, default="AUDIT")
    sk = UnicodeAttribute(range_key=True, default="PROGRESS")
    after_pk = UnicodeAttribute(null=True)
    after_sk = UnicodeAttribute(null=True)
    mismatches = NumberAttribute(default=0)
    failed = NumberAttribute(default=0)
    mismatches_before = NumberAttribute(default=0)
    failed_before = NumberAttribute(default=0)


class UsageRow(Row):
    """The use of an account on each of the last days, by the audit that read it last.

    `days` has the jobs, the credits and the micro-USD of each day.
    """

    audited_at = UTCDateTimeAttribute()
    days = JSONAttribute(default=dict)
    expires_at = NumberAttribute()


class SpendRow(Row):
    """What a provider bills on one day (UTC), in micro-USD. `spend.py` adds the templates."""

    micro_usd = NumberAttribute(default=0)
    expires_at = NumberAttribute()


def grant_sort_key(reference: str) -> str:
    """Return the sort key of the marker of a reference."""
    return f"GRANT#{sha256(reference.encode()).hexdigest()}"


def to_entry(row: EntryRow) -> Entry:
    """Return the entry in a row."""
    return Entry(
        entry_id=row.sk.removeprefix(ENTRY_PREFIX),
        kind=row.kind,
        granted=int(row.granted),
        available=int(row.available),
        held=int(row.held),
        spent=int(row.spent),
        job_id=row.job_id,
        reference=row.reference,
        reason=row.reason,
        by=row.by,
        created_at=row.created_at,
        cost_micro_usd=int(row.cost_micro_usd or 0),
    )


def to_balance(row: AccountRow) -> Balance:
    """Return the balance in a row. A counter is missing if the row was written before any grant."""
    counters = (row.available, row.held, row.spent, row.granted, row.in_flight, row.jobs_total)
    return Balance(*(int(counter or 0) for counter in counters))
