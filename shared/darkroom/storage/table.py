"""The one table: what every row has in common, and every kind of row but the job (job_rows.py)."""

from __future__ import annotations

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)
from pynamodb.models import Model

from darkroom.settings import settings

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 2
RETRIES_MAX = 1


class Row(Model):
    """An item of the table. Every kind of row inherits the table's name, its timeouts and its two keys."""

    class Meta:
        """The table, for PynamoDB."""

        table_name = settings().table_name
        connect_timeout_seconds = CONNECT_TIMEOUT_SECONDS
        read_timeout_seconds = READ_TIMEOUT_SECONDS
        max_retry_attempts = RETRIES_MAX

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)


class AccountRow(Row):
    """The balance of one account: granted = available + held + spent. Every write that moves credits or counts jobs adds one to `revision`."""

    sk = UnicodeAttribute(range_key=True, default="ACCOUNT")
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


class EntryRow(Row):
    """A ledger entry: the signed changes of one transaction. It is never changed and never expires."""

    kind = UnicodeAttribute()
    granted = NumberAttribute(default=0)
    available = NumberAttribute(default=0)
    held = NumberAttribute(default=0)
    spent = NumberAttribute(default=0)
    job_id = UnicodeAttribute(null=True)
    reference = UnicodeAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    created_at = UTCDateTimeAttribute()


class GrantRow(Row):
    """Says that a grant of this reference was made, and by which entry."""

    entry_sk = UnicodeAttribute()
    amount = NumberAttribute()


class RequestRow(Row):
    """Says that a request of this Idempotency-Key was accepted, and as which job. Conditions compare `expires_at`; TTL only cleans up."""

    job_id = UnicodeAttribute()
    body_hash = UnicodeAttribute()
    expires_at = NumberAttribute()


class UploadRow(Row):
    """An image that a user brings along. Its type and size are there once it is fit to be an input. TTL only cleans up."""

    bytes_max = NumberAttribute()
    content_type = UnicodeAttribute(null=True)
    width = NumberAttribute(null=True)
    height = NumberAttribute(null=True)
    expires_at = NumberAttribute()


class RateWindowRow(Row):
    """How many jobs of an account were accepted in one minute. TTL only cleans up."""

    jobs = NumberAttribute()
    expires_at = NumberAttribute()


class WelcomeRow(Row):
    """Says that a user has had the welcome credits, and on which account. It lies outside of every account, because a user may have several."""

    sk = UnicodeAttribute(range_key=True, default="WELCOME")
    account = UnicodeAttribute()
    entry_sk = UnicodeAttribute()
    amount = NumberAttribute()


class DeletedRow(Row):
    """Says that a job was deleted, until recovery has purged what a late invocation may have written for it."""

    check_queue = UnicodeAttribute()
    next_check_at = UTCDateTimeAttribute()


class SlotRow(Row):
    """One prediction that may be in flight at a provider. The item is there while a job holds the slot."""

    holder = UnicodeAttribute()
    taken_at = UTCDateTimeAttribute()


class QueueEntryRow(Row):
    """A job in the queue for a slot, sorted by the time since when it waits. An entry that was not renewed by `alive_until` has left.

    TTL only cleans up.
    """

    alive_until = UTCDateTimeAttribute()
    expires_at = NumberAttribute()


class FlagRow(Row):
    """A feature flag of the whole deployment."""

    pk = UnicodeAttribute(hash_key=True, default="FLAG")
    sk = UnicodeAttribute(range_key=True)
    is_enabled = BooleanAttribute()
    changed_at = UTCDateTimeAttribute()
    changed_by = UnicodeAttribute()


class AuditRow(Row):
    """How far the audit has come in its round through all accounts, and what that round and the one before have found."""

    pk = UnicodeAttribute(hash_key=True, default="AUDIT")
    sk = UnicodeAttribute(range_key=True, default="PROGRESS")
    after_pk = UnicodeAttribute(null=True)
    after_sk = UnicodeAttribute(null=True)
    mismatches = NumberAttribute(default=0)
    failed = NumberAttribute(default=0)
    mismatches_before = NumberAttribute(default=0)
    failed_before = NumberAttribute(default=0)
