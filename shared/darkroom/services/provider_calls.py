"""The calls to a job's provider in one invocation: poll, find and create a prediction.

Each attempt is recorded on the job, with a lease, before its request is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from urllib.parse import quote

from darkroom import clock
from darkroom.domain.errors import GenerationFailed, NotFound
from darkroom.domain.jobs import Attempt, Job
from darkroom.domain.prediction_step import (
    LEASE_SECONDS,
    CreateResponse,
    Event,
    Observation,
)
from darkroom.domain.predictions import PartialPrediction, Prediction, PredictionRequest
from darkroom.domain.provider_errors import (
    LookupUnsupported,
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
)
from darkroom.domain.references import Reference
from darkroom.media import bucket
from darkroom.observability import logger
from darkroom.providers import Provider, counting_outages, load_provider
from darkroom.services import provider_health, spend
from darkroom.services.cancel_predictions import cancel_orphan
from darkroom.settings import settings
from darkroom.storage import attempts, jobs, provider_queue, provider_state

# The provider's clock may be this much behind.
_CLOCK_SKEW = timedelta(minutes=1)


class ProviderCalls:
    """The calls for one job. Each method returns what it observed.

    A method may raise ProviderBusy, and GenerationFailed if no retry helps. If the provider refuses
    Darkroom's account, it is paused.
    """

    def __init__(self, job: Job, state_entry: str, entered_at: datetime) -> None:
        """Store the job as it was read, and the name and the time of the state entry."""
        self.job = job
        self.state_entry = state_entry
        self.entered_at = entered_at

    @cached_property
    def provider(self) -> Provider:
        """The job's provider, loaded at first use. A canceled job does not load it."""
        return load_provider(self.job.model_input.provider)

    @property
    def receives_webhooks(self) -> bool:
        """Whether the provider reports the end of the prediction by a webhook."""
        return bool(settings().public_url) and self.provider.SUPPORTS_WEBHOOKS

    def poll(self, prediction_id: str) -> Observation:
        """Read the status of a prediction."""
        try:
            with counting_outages(), self._pausing_refused_account():
                return self.provider.get(prediction_id)
        except ProviderUnavailable:
            return Event.POLL_UNANSWERED

    def find(self) -> Observation:
        """Search for a prediction that an earlier request may have created."""
        attempt = self._attempt
        try:
            with counting_outages(), self._pausing_refused_account():
                found = self.provider.find(self._request(attempt))
        except LookupUnsupported:
            return Event.LOOKUP_UNSUPPORTED
        return self._record_prediction(attempt, found) if found else Event.NOT_FOUND

    def create(self) -> Observation:
        """Take a slot, record the attempt, and request a prediction."""
        if reason := self._reason_to_wait():
            return reason
        inline_bytes_max = max(
            self.provider.INLINE_INPUT_BYTES_MAX,
            settings().inline_input_bytes_max,
            self.job.model_input.inline_bytes_max,
        )
        model_input = bucket.link_inputs(self.job.model_input, inline_bytes_max=inline_bytes_max)
        attempt = self._record_attempt()
        if attempt is None:
            return Event.LEASE_TAKEN
        try:
            with counting_outages(), self._pausing_refused_account():
                created = self.provider.create(
                    replace(self._request(attempt), model_input=model_input)
                )
        except ProviderAccountRefused:
            self._give_up_request(attempt)
            self.job = jobs.read(self.job.account, self.job.job_id)
            return Event.PROVIDER_PAUSED
        except ProviderBusy:
            self._give_up_request(attempt)
            raise
        except GenerationFailed as error:
            provider_health.record_refused_create(self.job, error, now=clock.now())
            raise
        except ProviderUnavailable as error:
            logger.warning(
                "no response from the provider", cause=str(error), requests=attempt.requests_count
            )
            now = clock.now()
            attempts.expire_lease(
                self.job,
                attempt,
                until=now + timedelta(seconds=error.unknown_seconds),
                now=now,
                is_unanswered=True,
            )
            return Event.CREATE_UNANSWERED
        if isinstance(created, PartialPrediction):
            attempts.record_outputs(self.job, attempt, created.outputs, now=clock.now())
            return Event.OUTPUT_FINISHED
        return CreateResponse(self._record_prediction(attempt, created))

    def _reason_to_wait(self) -> Event | None:
        """Take a slot. Return why the job must not request yet, or None.

        Raises GenerationFailed if the provider does not offer the job's model.
        """
        if not self.job.slot:
            is_taken = provider_queue.take(self.job, now=self.entered_at)
            return None if is_taken else Event.QUEUE_FULL
        # The provider may have been paused since the job got its slot.
        state = provider_state.read_state(self.job.model_input.provider)
        provider_state.require_offered(self.job, state)
        return Event.PROVIDER_PAUSED if state.is_paused(clock.now()) else None

    @contextmanager
    def _pausing_refused_account(self) -> Iterator[None]:
        try:
            yield
        except ProviderAccountRefused as error:
            provider_health.pause_refused(
                self.job.model_input.provider, error.reason, now=clock.now()
            )
            raise

    def _record_attempt(self) -> Attempt | None:
        """Begin the next attempt, or retry the current attempt if it has no prediction.

        Returns the attempt, or None if another invocation holds the lease.
        """
        now = clock.now()
        lease_until = now + timedelta(seconds=LEASE_SECONDS)
        if self.job.attempt and self.job.attempt.prediction_id is None:
            return attempts.retry_attempt(
                self.job, self.job.attempt, self.state_entry, lease_until=lease_until, now=now
            )
        return attempts.begin_attempt(self.job, self.state_entry, lease_until=lease_until, now=now)

    def _give_up_request(self, attempt: Attempt) -> None:
        """Record that this request created no prediction.

        If the attempt had an earlier request, that request may have created a prediction. Then
        only the lease ends, and the next state entry looks for the prediction.
        """
        now = clock.now()
        if attempt.requests_count == 1 or (self.job.attempt and self.job.attempt.abandoned):
            attempts.abandon_attempt(self.job, attempt, now=now)
        else:
            attempts.expire_lease(self.job, attempt, until=now, now=now)

    def _record_prediction(self, attempt: Attempt, prediction: Prediction) -> Prediction:
        """Record the prediction's id once, and return the job's prediction.

        If the job has another prediction or has ended, this prediction is canceled as an orphan.
        """
        job, now = self.job, clock.now()
        if attempts.record_prediction(job, attempt, prediction.prediction_id, now=now):
            spend.record(job, now=now)
            return prediction
        try:
            known = jobs.read(job.account, job.job_id).attempts[attempt.number - 1].prediction_id
        except NotFound:
            # The job has ended without this prediction and is deleted.
            known = None
        if known == prediction.prediction_id:
            return prediction
        spend.record(job, now=now)
        cancel_orphan(job, prediction.prediction_id)
        return self.provider.get(known) if known else prediction

    def _request(self, attempt: Attempt) -> PredictionRequest:
        return PredictionRequest(
            model_input=self.job.model_input,
            webhook_url=_webhook_url(self.job, attempt) if self.receives_webhooks else None,
            key_prefix=bucket.prefix_of(self.job.account, self.job.job_id),
            created_after=self.job.created_at - _CLOCK_SKEW,
            cancel_after_seconds=self._cancel_after_seconds,
            finished_outputs=attempt.finished_outputs,
            unanswered_count=attempt.unanswered_count,
        )

    @property
    def _cancel_after_seconds(self) -> int:
        """The seconds until the deadline. The first request sets the deadline."""
        if self.job.deadline_at is None:
            return self.job.seconds_max or 0
        return int((self.job.deadline_at - clock.now()).total_seconds())

    @property
    def _attempt(self) -> Attempt:
        attempt = self.job.attempt
        if attempt is None:
            raise LookupError("the job has no attempt")
        return attempt


def _webhook_url(job: Job, attempt: Attempt) -> str:
    reference = Reference(job.account, job.job_id, attempt.nonce)
    query = f"job={quote(str(reference), safe='')}"
    return f"{settings().public_url}/webhooks/{job.model_input.provider}?{query}"
