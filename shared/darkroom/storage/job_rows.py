"""The row of a job, the index for recovery, and the conversion between a job and its row."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from darkroom.domain.accounts import AccountId
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.ids import key_part, text_of_key_part
from darkroom.domain.jobs import (
    Decoding,
    Job,
    JobStatus,
    ModelInput,
    Resolution,
    TemplateVersion,
)
from darkroom.storage.job_parts import (
    AttemptMap,
    MapListAttribute,
    OutputMap,
    to_attempt,
    to_output,
)
from darkroom.storage.json_text import JsonTextAttribute, stored_parameters, whole_parameters
from darkroom.storage.table import Row

JOB_PREFIX = "JOB#"
DELETED_PREFIX = "DELETED#"


class CheckQueue(StrEnum):
    """The hash keys of the index `next-check`.

    `OPEN` has the open jobs, and ended jobs that are not announced yet. `ENDED` has the jobs in
    their retention and the marks of deleted jobs.

    With two keys, recovery needs only two queries when nothing is due. Each query returns the most
    overdue rows first. One key accepts 1,000 writes per second, which is about 100 new jobs per
    second:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
    """

    OPEN = "open"
    ENDED = "ended"


class NextCheckIndex(GlobalSecondaryIndex[Any]):
    """The index of the rows that recovery checks, sorted by the time of the next check."""

    class Meta:
        """The index's settings for PynamoDB."""

        index_name = "next-check"
        projection = KeysOnlyProjection()

    check_queue = UnicodeAttribute(hash_key=True)
    next_check_at = UTCDateTimeAttribute(range_key=True)


class JobRow(Row):
    """A job. Each write that users can see adds one to `revision`.

    A transaction that depends on an earlier read compares `revision`. `check_queue` is a
    CheckQueue.
    """

    status = UnicodeAttribute()
    template_code = UnicodeAttribute()
    template_version = NumberAttribute()
    template_name = UnicodeAttribute()
    category = UnicodeAttribute()
    parameters = JsonTextAttribute()
    parameter_names = JsonTextAttribute(null=True)
    provider = UnicodeAttribute()
    model = UnicodeAttribute()
    input = JsonTextAttribute()
    outputs_count = NumberAttribute()
    images = JsonTextAttribute(null=True)
    inline_bytes_max = NumberAttribute(null=True)
    quoted = NumberAttribute()
    held = NumberAttribute(default=0)
    charged = NumberAttribute(default=0)
    refunded = NumberAttribute(default=0)
    attempts: MapListAttribute[AttemptMap] = MapListAttribute(of=AttemptMap, default=list)
    outputs: MapListAttribute[OutputMap] = MapListAttribute(of=OutputMap, default=list)
    expected_seconds = NumberAttribute(null=True)
    wait_seconds = NumberAttribute()
    seconds_max = NumberAttribute(null=True)
    task_token = UnicodeAttribute(null=True)
    state_entry = UnicodeAttribute(null=True)
    created_at = UTCDateTimeAttribute()
    queue_until = UTCDateTimeAttribute(null=True)
    deadline_at = UTCDateTimeAttribute(null=True)
    started_at = UTCDateTimeAttribute(null=True)
    storing_at = UTCDateTimeAttribute(null=True)
    decoding = NumberAttribute(null=True)
    decoding_key = UnicodeAttribute(null=True)
    finished_at = UTCDateTimeAttribute(null=True)
    waiting_since = UTCDateTimeAttribute(null=True)
    cancel_requested_at = UTCDateTimeAttribute(null=True)
    failure_code = UnicodeAttribute(null=True)
    failure_message = UnicodeAttribute(null=True)
    callback_url = UnicodeAttribute(null=True)
    metadata = JsonTextAttribute(default=dict)
    slot = UnicodeAttribute(null=True)
    queue_key = UnicodeAttribute(null=True)
    cost_micro_usd = NumberAttribute(null=True)
    provider_impaired = BooleanAttribute(null=True)
    revision = NumberAttribute(default=0)
    check_queue = UnicodeAttribute(null=True)
    next_check_at = UTCDateTimeAttribute(null=True)
    lookup_key = UnicodeAttribute(null=True)

    next_check = NextCheckIndex()


def partition(account: AccountId) -> str:
    """Return the partition key of all rows of an account."""
    return f"ACCOUNT#{key_part(account.platform)}#{key_part(account.user)}"


def account_of(pk: str) -> AccountId:
    """Return the account of a partition key."""
    _, platform, user = pk.split("#")
    return AccountId(text_of_key_part(platform), text_of_key_part(user))


def key_of(account: AccountId, job_id: str) -> JobRow:
    """Return a row with only the keys of a job, for an update."""
    return JobRow(partition(account), JOB_PREFIX + job_id)


def row_of(job: Job, *, next_check_at: datetime) -> JobRow:
    """Return the row of a new job. Its quoted credits are held."""
    return JobRow(
        partition(job.account),
        JOB_PREFIX + job.job_id,
        status=job.status.value,
        template_code=job.template.code,
        template_version=job.template.version,
        template_name=job.template.name,
        category=job.template.category,
        parameters=stored_parameters(job.parameters, job.model_input.input),
        parameter_names=list(job.parameters),
        provider=job.model_input.provider,
        model=job.model_input.model,
        input=dict(job.model_input.input),
        outputs_count=job.model_input.outputs_count,
        images=list(job.model_input.images) or None,
        inline_bytes_max=job.model_input.inline_bytes_max or None,
        quoted=job.quoted,
        held=job.quoted,
        expected_seconds=job.expected_seconds,
        cost_micro_usd=job.cost_micro_usd,
        wait_seconds=job.wait_seconds,
        seconds_max=job.seconds_max,
        created_at=job.created_at,
        queue_until=job.queue_until,
        deadline_at=job.deadline_at,
        callback_url=job.callback_url,
        metadata=dict(job.metadata),
        check_queue=CheckQueue.OPEN,
        next_check_at=next_check_at,
        lookup_key=JOB_PREFIX + job.job_id,
    )


def to_job(row: JobRow) -> Job:
    """Return the job in a row."""
    return Job(
        account=account_of(row.pk),
        job_id=row.sk.removeprefix(JOB_PREFIX),
        template=TemplateVersion(
            row.template_code, int(row.template_version), row.template_name, row.category
        ),
        parameters=whole_parameters(row.parameters, row.parameter_names, row.input),
        model_input=ModelInput(
            row.provider,
            row.model,
            row.input,
            int(row.outputs_count),
            tuple(row.images or ()),
            int(row.inline_bytes_max or 0),
        ),
        quoted=int(row.quoted),
        created_at=row.created_at,
        # The rows of release 0.1.0 have a deadline from their creation on, and no `queue_until`.
        queue_until=row.queue_until or row.deadline_at or row.created_at,
        expected_seconds=int(row.expected_seconds or row.wait_seconds // 2),
        wait_seconds=int(row.wait_seconds),
        seconds_max=int(row.seconds_max) if row.seconds_max is not None else None,
        deadline_at=row.deadline_at,
        status=JobStatus(row.status),
        held=int(row.held),
        charged=int(row.charged),
        refunded=int(row.refunded),
        attempts=tuple(to_attempt(attempt) for attempt in row.attempts),
        outputs=tuple(to_output(output) for output in row.outputs),
        task_token=row.task_token,
        state_entry=row.state_entry,
        started_at=row.started_at,
        storing_at=row.storing_at,
        decoding=Decoding(int(row.decoding), row.decoding_key) if row.decoding_key else None,
        finished_at=row.finished_at,
        waiting_since=row.waiting_since,
        cancel_requested_at=row.cancel_requested_at,
        failure=failure(FailureCode(row.failure_code), row.failure_message)
        if row.failure_code
        else None,
        callback_url=row.callback_url,
        metadata=row.metadata,
        slot=row.slot,
        queue_key=row.queue_key,
        cost_micro_usd=int(row.cost_micro_usd or 0),
        provider_impaired=bool(row.provider_impaired),
        revision=int(row.revision),
    )


def end_actions(resolution: Resolution, now: datetime) -> list[Action]:
    """Return the update of a job's row when the job ends."""
    actions: list[Action] = [
        JobRow.status.set(resolution.status.value),
        JobRow.held.set(0),
        JobRow.charged.set(resolution.charged),
        JobRow.refunded.set(resolution.refunded),
        JobRow.finished_at.set(now),
        JobRow.task_token.remove(),
        JobRow.waiting_since.remove(),
        JobRow.decoding.remove(),
        JobRow.decoding_key.remove(),
        JobRow.slot.remove(),
        JobRow.queue_key.remove(),
        JobRow.revision.add(1),
    ]
    if resolution.failure:
        actions += [
            JobRow.failure_code.set(resolution.failure.code.value),
            JobRow.failure_message.set(resolution.failure.message),
        ]
    else:
        actions += [JobRow.failure_code.remove(), JobRow.failure_message.remove()]
    return actions
