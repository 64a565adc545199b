"""A job: its record, its statuses, and the charge at its end.

The quote is fixed when the job is created, and is held until the job ends. A job that ends with
outputs is charged for them; see `resolution`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from darkroom.domain.accounts import AccountId
from darkroom.domain.failures import Failure, FailureCode, failure


class JobStatus(StrEnum):
    """The status of a job. Pending and processing are open, the other three are final."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended. A final status never changes."""
        return self not in OPEN_STATUSES


# Failed downloads of outputs are retried until this long after storing began.
STORING_SECONDS_MAX = 120
WAIT_SECONDS_MIN = 15
WAIT_SECONDS_MAX = 600
# There is one retry of an interrupted prediction, because each prediction costs money.
ATTEMPTS_MAX = 2
OPEN_STATUSES = (JobStatus.PENDING, JobStatus.PROCESSING)


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """The version of the template that a job was made from. It never changes."""

    code: str
    version: int
    name: str
    category: str


@dataclass(frozen=True, slots=True)
class ModelInput:
    """The request to the provider.

    The job stores it, so later changes of the catalog have no effect. `images` has the names of the
    inputs that are images. The value of such an input is an https URL, the key of an object in
    Darkroom's bucket, or a list of these. An image of at most `inline_bytes_max` bytes is sent
    inside the request. A larger limit of the provider applies instead.
    """

    provider: str
    model: str
    input: Mapping[str, Any]
    outputs_count: int
    images: tuple[str, ...] = ()
    inline_bytes_max: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """The record of a request to a provider. It is written before the request is sent.

    Until `lease_until` the request may still be in progress, or the provider may not list its
    prediction yet. `requests_count` includes repetitions of the request. `abandoned` means that no
    request of this attempt has created a prediction. The nonce is part of the webhook's URL.
    `finished_outputs` are the keys of the outputs of a prediction that needs a request for each.
    Since the last of them, `unanswered_count` requests got no response.
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
    finished_outputs: tuple[str, ...] = ()
    unanswered_count: int = 0


@dataclass(frozen=True, slots=True)
class StoredPreview:
    """A stored WebP image that shows an output in a smaller size. Sizes are in pixels."""

    key: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Output:
    """One stored image or video.

    `number` is the index among the outputs that Darkroom chose. `width` and `height` are in pixels,
    as the file is shown. `seconds` is the length of a video or an animation, `frames` the number of
    images in an animation. `placeholder` is a data URL of a tiny image. `previews` begin with the
    smallest. `c2pa` says whether the file contains a C2PA manifest. The outputs of earlier releases
    have no previews and no frames, and their `c2pa` is None.
    """

    number: int
    key: str
    content_type: str
    bytes: int
    width: int
    height: int
    seconds: float | None = None
    thumbnail_key: str | None = None
    placeholder: str | None = None
    previews: tuple[StoredPreview, ...] = ()
    frames: int | None = None
    c2pa: bool | None = None


@dataclass(frozen=True, slots=True)
class Decoding:
    """An output whose object is in the bucket and is being decoded.

    `number` is the index among the chosen outputs, `key` the key of the object. No other
    try to store this output has the same key, so the key also names the try.
    """

    number: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The record of a job. Times are UTC, amounts are in credits.

    `revision` grows by one with each change that users can see. `slot` is the provider slot that
    the job holds, and `queue_key` is its entry in the provider's queue. A job never has both.
    `waiting_since` is set while the job waits for a slot or for a busy provider. A job that was not
    requested until `queue_until` fails. The first request sets `deadline_at`, `seconds_max` later.
    The jobs of release 0.1.0 have no `seconds_max`, and their deadline is set at their creation.
    `decoding` is the output that an invocation decodes, or decoded when it was killed.
    `cost_micro_usd` is what the provider bills for one prediction. It is 0 for a job that an
    earlier release accepted. `provider_impaired` tells that the provider had failed, or was
    paused, since its last success when the job got its slot.
    """

    account: AccountId
    job_id: str
    template: TemplateVersion
    parameters: Mapping[str, Any]
    model_input: ModelInput
    quoted: int
    created_at: datetime
    queue_until: datetime
    expected_seconds: int
    wait_seconds: int
    seconds_max: int | None = None
    deadline_at: datetime | None = None
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
    decoding: Decoding | None = None
    finished_at: datetime | None = None
    waiting_since: datetime | None = None
    cancel_requested_at: datetime | None = None
    failure: Failure | None = None
    callback_url: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    slot: str | None = None
    queue_key: str | None = None
    cost_micro_usd: int = 0
    provider_impaired: bool = False
    revision: int = 0

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt, or None before the first."""
        return self.attempts[-1] if self.attempts else None

    @property
    def predictions_count(self) -> int:
        """The number of known predictions."""
        return sum(attempt.prediction_id is not None for attempt in self.attempts)

    @property
    def billed_micro_usd(self) -> int:
        """What the provider bills for the known predictions, in micro-USD."""
        return self.cost_micro_usd * self.predictions_count

    @property
    def cancel_wins(self) -> bool:
        """Whether the cancel was requested before storing began.

        A later cancel has no effect: the outputs are delivered and charged.
        """
        return self.cancel_requested_at is not None and self.storing_at is None

    @property
    def is_fault(self) -> bool:
        """Whether the job failed, and the cause is not the user's."""
        return self.status is JobStatus.FAILED and (self.failure is None or self.failure.is_fault)

    def retain_until(self, *, retention_days: int) -> datetime | None:
        """Return the time until which a final job is retained.

        Returns None for an open job, and for `retention_days=0`, which retains jobs forever.
        """
        return (
            self.finished_at + timedelta(days=retention_days)
            if self.finished_at and retention_days
            else None
        )


@dataclass(frozen=True, slots=True)
class Resolution:
    """The end of a job: its final status, the credits charged, and the credits refunded."""

    status: JobStatus
    charged: int
    refunded: int
    failure: Failure | None


def resolution(job: Job, *, reason: Failure | None = None) -> Resolution:
    """Decide how an open job ends. Only the job's record decides.

    - With n of m outputs stored, the job is completed. The charge is floor(held × n / m).
    - Without outputs, a job whose cancel wins is canceled. Nothing is charged.
    - Otherwise the job has failed. Nothing is charged. The failure is the one on the record, or
      else `reason`, or else `internal`.
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
    """Return the seconds to wait for a webhook before Darkroom polls the provider.

    It is twice the expected time, at least 15 and at most 600 seconds. Replicate deletes output
    files after one hour, so a poll after 600 seconds still finds them:
    https://replicate.com/docs/topics/predictions/data-retention
    """
    return max(WAIT_SECONDS_MIN, min(2 * expected_seconds, WAIT_SECONDS_MAX))


def state_entry_name(entered_at: datetime, retry_count: int) -> str:
    """Return the name of one try of a state entry into RequestPrediction.

    Names sort by the time of the entry, then by the retry.
    """
    return f"{entered_at:%Y-%m-%dT%H:%M:%S.%f}#{retry_count:03}"


def is_same_state_entry(state_entry: str, other: str) -> bool:
    """Return whether two names are tries of the same state entry."""
    return state_entry.partition("#")[0] == other.partition("#")[0]
