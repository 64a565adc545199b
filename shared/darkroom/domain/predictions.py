"""Predictions: requests to providers and their responses, in one form for all providers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from darkroom.domain.failures import Failure
from darkroom.domain.jobs import ATTEMPTS_MAX, Job, ModelInput


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRequest:
    """The request of one attempt of a job.

    A search for the attempt's prediction may ignore predictions created before `created_after`. If
    a provider responds with files instead of links, its adapter stores them in the bucket under
    `key_prefix`, as `0.png`, `1.png`, and so on. The provider should cancel a prediction that still
    runs after `cancel_after_seconds`. `finished_outputs` are the outputs of the last
    PartialPrediction. Since then, `unanswered_count` requests got no response.
    """

    model_input: ModelInput
    webhook_url: str | None
    key_prefix: str
    created_after: datetime
    cancel_after_seconds: int
    finished_outputs: tuple[str, ...] = ()
    unanswered_count: int = 0


class PredictionStatus(StrEnum):
    """The status of a prediction. Every status that is not final at the provider is `RUNNING`."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction, as its provider reports it.

    `outputs` are links that expire soon, or keys of files that the adapter has stored in the
    bucket. `webhook_url` identifies the attempt. Not every provider reports it. `retryable` means
    that the provider interrupted the prediction, so another prediction may succeed.
    """

    prediction_id: str
    status: PredictionStatus
    outputs: tuple[str, ...] = ()
    failure: Failure | None = None
    webhook_url: str | None = None
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class PartialPrediction:
    """The finished outputs of a prediction that needs one more request for each further output.

    `outputs` are the keys of all files that the adapter has stored so far.
    """

    outputs: tuple[str, ...]


# With less time before the deadline, a second prediction would probably be paid and not used.
_RETRY_SECONDS_MIN = 5
_POLL_SECONDS_MIN = 5.0
_POLL_SECONDS_MAX = 30.0


def may_retry(job: Job, prediction: Prediction, *, now: datetime) -> bool:
    """Return whether to request another prediction after an interrupted one.

    There is one retry, because each prediction costs money. It must begin at least 5 seconds before
    the deadline.
    """
    return (
        prediction.retryable
        and len(job.attempts) < ATTEMPTS_MAX
        and job.deadline_at is not None
        and now + timedelta(seconds=_RETRY_SECONDS_MIN) <= job.deadline_at
    )


def poll_seconds(elapsed: timedelta) -> float:
    """Return the seconds until the next poll of a prediction whose provider sends no webhooks.

    It is a quarter of the time since the request, at least 5 and at most 30 seconds. A prediction
    of 15 minutes is polled about 40 times.
    """
    return max(_POLL_SECONDS_MIN, min(elapsed.total_seconds() / 4, _POLL_SECONDS_MAX))


def is_final_at_replicate(status: object) -> bool:
    """Return whether a status of Replicate is final.

    Source: https://replicate.com/docs/topics/predictions/lifecycle
    """
    return status in ("succeeded", "failed", "canceled", "aborted")


def links_in(output: object) -> Iterator[str]:
    """Yield all http and https links in a JSON value, in order. Lists and objects may be nested."""
    match output:
        case str() if output.startswith(("https://", "http://")):
            yield output
        case list():
            for item in output:
                yield from links_in(item)
        case dict():
            for item in output.values():
                yield from links_in(item)
