"""The one table and its rows. Which items there are, and what each holds, is all here."""

from __future__ import annotations

from typing import Any

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from darkroom.settings import settings

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 2
RETRIES_MAX = 1


class _Meta:
    table_name = settings().table_name
    connect_timeout_seconds = CONNECT_TIMEOUT_SECONDS
    read_timeout_seconds = READ_TIMEOUT_SECONDS
    max_retry_attempts = RETRIES_MAX


class AccountRow(Model):
    """The balance of one account: granted = available + held + spent. Every write that moves credits or counts jobs adds one to `revision`."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True)
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


class AttemptMap(MapAttribute[str, Any]):
    """One request to the provider."""

    number = NumberAttribute()
    nonce = UnicodeAttribute()
    state_entry = UnicodeAttribute()
    requested_at = UTCDateTimeAttribute()
    lease_until = UTCDateTimeAttribute()
    requests_count = NumberAttribute(default=1)
    abandoned = BooleanAttribute(default=False)
    prediction_id = UnicodeAttribute(null=True)
    finished_at = UTCDateTimeAttribute(null=True)


class OutputMap(MapAttribute[str, Any]):
    """One result in the bucket."""

    number = NumberAttribute()
    key = UnicodeAttribute()
    content_type = UnicodeAttribute()
    bytes = NumberAttribute()
    width = NumberAttribute()
    height = NumberAttribute()
    seconds = NumberAttribute(null=True)
    thumbnail_key = UnicodeAttribute(null=True)
    placeholder = UnicodeAttribute(null=True)


class NextCheckIndex(GlobalSecondaryIndex[Any]):
    """What recovery has to check, sorted by the time of the check. `check_queue` is one of CheckQueue."""

    class Meta:
        """The index."""

        index_name = "next-check"
        projection = KeysOnlyProjection()

    check_queue = UnicodeAttribute(hash_key=True)
    next_check_at = UTCDateTimeAttribute(range_key=True)


class JobRow(Model):
    """A job. Every write adds one to `revision`, so that a decision can be bound to what it was taken from."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    status = UnicodeAttribute()
    template_code = UnicodeAttribute()
    template_version = NumberAttribute()
    template_name = UnicodeAttribute()
    category = UnicodeAttribute()
    parameters = JSONAttribute()
    provider = UnicodeAttribute()
    model = UnicodeAttribute()
    input = JSONAttribute()
    outputs_count = NumberAttribute()
    images = JSONAttribute(null=True)
    quoted = NumberAttribute()
    held = NumberAttribute(default=0)
    charged = NumberAttribute(default=0)
    refunded = NumberAttribute(default=0)
    attempts: ListAttribute[AttemptMap] = ListAttribute(of=AttemptMap, default=list)
    outputs: ListAttribute[OutputMap] = ListAttribute(of=OutputMap, default=list)
    wait_seconds = NumberAttribute()
    task_token = UnicodeAttribute(null=True)
    state_entry = UnicodeAttribute(null=True)
    created_at = UTCDateTimeAttribute()
    deadline_at = UTCDateTimeAttribute()
    started_at = UTCDateTimeAttribute(null=True)
    storing_at = UTCDateTimeAttribute(null=True)
    finished_at = UTCDateTimeAttribute(null=True)
    waiting_since = UTCDateTimeAttribute(null=True)
    cancel_requested_at = UTCDateTimeAttribute(null=True)
    failure_code = UnicodeAttribute(null=True)
    failure_message = UnicodeAttribute(null=True)
    callback_url = UnicodeAttribute(null=True)
    metadata = JSONAttribute(default=dict)
    slot = UnicodeAttribute(null=True)
    revision = NumberAttribute(default=0)
    check_queue = UnicodeAttribute(null=True)
    next_check_at = UTCDateTimeAttribute(null=True)

    next_check = NextCheckIndex()


class EntryRow(Model):
    """A ledger entry: the signed changes of one transaction. It is never changed and never expires."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = UnicodeAttribute()
    granted = NumberAttribute(default=0)
    available = NumberAttribute(default=0)
    held = NumberAttribute(default=0)
    spent = NumberAttribute(default=0)
    job_id = UnicodeAttribute(null=True)
    reference = UnicodeAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    created_at = UTCDateTimeAttribute()


class GrantRow(Model):
    """Says that a grant of this reference was made, and by which entry."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    entry_sk = UnicodeAttribute()
    amount = NumberAttribute()


class RequestRow(Model):
    """Says that a request of this Idempotency-Key was accepted, and as which job. Conditions compare `expires_at`; TTL only cleans up."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    job_id = UnicodeAttribute()
    body_hash = UnicodeAttribute()
    expires_at = NumberAttribute()


class UploadRow(Model):
    """An image that a user brings along. Its type and size are there once it is fit to be an input. TTL only cleans up."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    bytes_max = NumberAttribute()
    content_type = UnicodeAttribute(null=True)
    width = NumberAttribute(null=True)
    height = NumberAttribute(null=True)
    expires_at = NumberAttribute()


class RateWindowRow(Model):
    """How many jobs of an account were accepted in one minute. TTL only cleans up."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    jobs = NumberAttribute()
    expires_at = NumberAttribute()


class WelcomeRow(Model):
    """Says that a user has had the welcome credits, and on which account. It lies outside of every account, because a user may have several."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True, default="WELCOME")
    account = UnicodeAttribute()
    entry_sk = UnicodeAttribute()
    amount = NumberAttribute()


class DeletedRow(Model):
    """Says that a job was deleted, until recovery has purged what a late invocation may have written for it."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    check_queue = UnicodeAttribute()
    next_check_at = UTCDateTimeAttribute()


class SlotRow(Model):
    """One prediction that may be in flight at a provider. The item is there while a job holds the slot."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    holder = UnicodeAttribute()
    taken_at = UTCDateTimeAttribute()


class QueueEntryRow(Model):
    """A job in the queue for a slot, sorted by the time since when it waits. An entry that was not renewed by `alive_until` has left.

    TTL only cleans up.
    """

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    alive_until = UTCDateTimeAttribute()
    expires_at = NumberAttribute()


class FlagRow(Model):
    """A switch of the whole deployment."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True, default="FLAG")
    sk = UnicodeAttribute(range_key=True)
    is_enabled = BooleanAttribute()
    changed_at = UTCDateTimeAttribute()
    changed_by = UnicodeAttribute()


class AuditRow(Model):
    """How far the audit has come in its round through all accounts, and what that round and the one before have found."""

    class Meta(_Meta):
        """The table."""

    pk = UnicodeAttribute(hash_key=True, default="AUDIT")
    sk = UnicodeAttribute(range_key=True, default="PROGRESS")
    after_pk = UnicodeAttribute(null=True)
    after_sk = UnicodeAttribute(null=True)
    mismatches = NumberAttribute(default=0)
    failed = NumberAttribute(default=0)
    mismatches_before = NumberAttribute(default=0)
    failed_before = NumberAttribute(default=0)
