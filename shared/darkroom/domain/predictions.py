"""What a provider says about the work it was asked for, in the words of all providers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from darkroom.domain.failures import Failure
from darkroom.domain.jobs import ATTEMPTS_MAX, Job, ModelInput


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRequest:
    """What a provider is asked for, by one attempt of a job.

    `created_after` is before anything can have come of it. `key_prefix` is where in the bucket a provider that answers with the files
    themselves puts them: `0.png`, `1.png`, and so on.
    """

    model_input: ModelInput
    webhook_url: str | None
    key_prefix: str
    created_after: datetime
    cancel_after_seconds: int


class PredictionStatus(StrEnum):
    """Running covers whatever is not final at the provider."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One piece of work at a provider.

    `outputs` are links that die soon, or the keys of what the provider has put into the bucket itself. `webhook_url` says whom it is for,
    where it is told. `retryable` says that it was interrupted by no fault of what was asked for, so that asking once more may help.
    """

    prediction_id: str
    status: PredictionStatus
    outputs: tuple[str, ...] = ()
    failure: Failure | None = None
    webhook_url: str | None = None
    retryable: bool = False


# Less than this is no time for another prediction.
_RETRY_SECONDS_MIN = 5
_POLL_SECONDS_MIN = 5.0
_POLL_SECONDS_MAX = 30.0


def may_retry(job: Job, prediction: Prediction, *, now: datetime) -> bool:
    """Tell whether an interrupted prediction may be asked for once more: each is paid for, so there is one retry, while there is time for it."""
    return prediction.retryable and len(job.attempts) < ATTEMPTS_MAX and now + timedelta(seconds=_RETRY_SECONDS_MIN) <= job.deadline_at


def poll_seconds(elapsed: timedelta) -> float:
    """How long to wait before looking again at a prediction that nobody will call about: a quarter of the time since it was asked for, within bounds.

    So a quarter of an hour takes about forty looks.
    """
    return max(_POLL_SECONDS_MIN, min(elapsed.total_seconds() / 4, _POLL_SECONDS_MAX))


def is_final_at_replicate(status: object) -> bool:
    """Tell whether nothing more will happen to a prediction of this status (replicate.com/docs/topics/predictions/lifecycle)."""
    return status in ("succeeded", "failed", "canceled", "aborted")


def links_in(output: object) -> Iterator[str]:
    """Walk any shape of output (a link, a list, an object with links in it) and yield the links in order."""
    match output:
        case str() if output.startswith(("https://", "http://")):
            yield output
        case list():
            for item in output:
                yield from links_in(item)
        case dict():
            for item in output.values():
                yield from links_in(item)
