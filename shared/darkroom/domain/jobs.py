"""What a job is, how it may move, and what it costs in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from darkroom.domain.accounts import AccountId
from darkroom.domain.failures import Failure, FailureCode, failure


class JobStatus(StrEnum):
    """Pending and processing are open; the other three are final."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can change it any more."""
        return self not in OPEN_STATUSES


# How long an output that cannot be fetched is asked for again.
STORING_SECONDS_MAX = 120
WAIT_SECONDS_MIN = 15
WAIT_SECONDS_MAX = 600
# One retry of a prediction that was interrupted; each is paid for at the provider.
ATTEMPTS_MAX = 2
OPEN_STATUSES = (JobStatus.PENDING, JobStatus.PROCESSING)


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """The template that a job was made from, pinned."""

    code: str
    version: int
    name: str
    category: str


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What the provider is asked for. It is on the job, so that no later catalog can change or lose it.

    `images` names the inputs that are images: each is an https URL, or the key of an object in our bucket, or a list of these.
    """

    provider: str
    model: str
    input: Mapping[str, Any]
    outputs_count: int
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to get a prediction, recorded before the provider is called. The nonce is part of the webhook's URL.

    Until `lease_until` the request may still be in progress, or its prediction may not be listed yet. `abandoned` means that no request
    of this attempt has created a prediction.
    """

    number: int
    nonce: str
    state_entry: str
    requested_at: datetime
    lease_until: datetime
    requests_count: int = 1
    abandoned: bool = False
    prediction_id: str | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """One result in the bucket. `number` is its place among what the provider returned."""

    number: int
    key: str
    content_type: str
    bytes: int
    width: int
    height: int
    seconds: float | None = None
    thumbnail_key: str | None = None
    placeholder: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as its record has it. Times are UTC, sums are credits."""

    account: AccountId
    job_id: str
    template: TemplateVersion
    parameters: Mapping[str, Any]
    model_input: ModelInput
    quoted: int
    created_at: datetime
    deadline_at: datetime
    wait_seconds: int
    status: JobStatus = JobStatus.PENDING
    held: int = 0
    charged: int = 0
    refunded: int = 0
    attempts: tuple[Attempt, ...] = ()
    outputs: tuple[Output, ...] = ()
    task_token: str | None = None
    state_entry: str | None = None
    started_at: datetime | None = None
    storing_at: datetime | None = None
    finished_at: datetime | None = None
    waiting_since: datetime | None = None
    cancel_requested_at: datetime | None = None
    failure: Failure | None = None
    callback_url: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    slot: str | None = None
    revision: int = 0

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt, if any was made."""
        return self.attempts[-1] if self.attempts else None

    @property
    def cancel_wins(self) -> bool:
        """Whether a cancel was asked for before storing began. One that came later changes nothing: the delivery wins, and is charged."""
        return self.cancel_requested_at is not None and self.storing_at is None

    @property
    def is_fault(self) -> bool:
        """Whether the job failed for a reason that is not the user's."""
        return self.status is JobStatus.FAILED and (self.failure is None or self.failure.is_fault)

    def retain_until(self, *, retention_days: int) -> datetime | None:
        """Tell until when a final job is kept; None while it is open, and when nothing is ever thrown away (0 days)."""
        return (
            self.finished_at + timedelta(days=retention_days)
            if self.finished_at and retention_days
            else None
        )


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a hold is resolved: what is charged, what goes back, and what the job becomes."""

    status: JobStatus
    charged: int
    refunded: int
    failure: Failure | None


def resolution(job: Job, *, reason: Failure | None = None) -> Resolution:
    """Resolve the hold of an open job from what its record shows, and from nothing else.

    n of m outputs delivered charge floor(held × n / m). Something delivered is a completed job, in part or whole.
    A reason that is on the record already wins over the one that is passed in.
    """
    delivered = min(len(job.outputs), job.model_input.outputs_count)
    charged = job.held * delivered // job.model_input.outputs_count
    if delivered:
        return Resolution(JobStatus.COMPLETED, charged, job.held - charged, None)
    if job.cancel_wins:
        return Resolution(JobStatus.CANCELED, 0, job.held, failure(FailureCode.CANCELED))
    return Resolution(
        JobStatus.FAILED, 0, job.held, job.failure or reason or failure(FailureCode.INTERNAL)
    )


def wait_seconds_for(expected_seconds: int) -> int:
    """How long to sleep before asking the provider oneself: twice what is expected, within 15 to 600 seconds.

    The upper bound keeps a late look well inside the hour for which Replicate keeps its files
    (replicate.com/docs/topics/predictions/data-retention).
    """
    return max(WAIT_SECONDS_MIN, min(2 * expected_seconds, WAIT_SECONDS_MAX))


def state_entry_name(entered_at: datetime, retry_count: int) -> str:
    """Name one try of one entry into RequestPrediction, so that a later one sorts after an earlier one."""
    return f"{entered_at:%Y-%m-%dT%H:%M:%S.%f}#{retry_count:03}"


def is_same_state_entry(state_entry: str, other: str) -> bool:
    """Tell whether two names are tries of one and the same entry into the state."""
    return state_entry.partition("#")[0] == other.partition("#")[0]
