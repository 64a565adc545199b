"""Workflow state RequestPrediction: make sure that the job has one prediction at its provider.

`domain/prediction_step.py` decides the next action, and this module executes it. Each attempt is
recorded on the job, with a lease, before its request is sent. If the invocation crashes, the next
invocation finds the prediction by this record.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, NoReturn
from urllib.parse import quote

from darkroom import clock
from darkroom.aws import step_functions
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import (
    GenerationFailed,
    LookupUnsupported,
    NotFound,
    ProviderBusy,
    ProviderQueueFull,
    ProviderUnavailable,
    RetryLater,
)
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Attempt, Job
from darkroom.domain.prediction_step import (
    LEASE_SECONDS,
    RECHECK_SECONDS,
    Act,
    Busy,
    CloseAttempt,
    CreateResponse,
    Event,
    Fail,
    Observation,
    Poll,
    Wait,
    next_action,
)
from darkroom.domain.predictions import Prediction, PredictionRequest, may_retry
from darkroom.domain.recovery import running_check_at
from darkroom.domain.references import Reference
from darkroom.media import bucket
from darkroom.observability import logger
from darkroom.providers import Provider, counting_outages, load_provider
from darkroom.services import dispatch, spend, wait_for_slot
from darkroom.services.cancel_predictions import cancel_orphan
from darkroom.settings import settings
from darkroom.storage import attempts, jobs, provider_queue

# The provider's clock may be this much behind.
_CLOCK_SKEW = timedelta(minutes=1)
_JITTER_FACTOR_MAX = 1.5
_RETRY_SECONDS_WITHOUT_QUEUE_STATE = 20.0


def request_prediction(
    account: AccountId, job_id: str, *, task_token: str, state_entry: str, has_queue_state: bool
) -> None:
    """Store the task token, then request or check the job's prediction.

    The workflow waits for a webhook or the state's timeout, or this function sends the result of
    the state: a success, or the name of an error. RetryLater and ProviderQueueFull make the
    workflow enter the state again later. GenerationFailed ends the job. These are results, so the
    invocation does not fail. `has_queue_state` is False for an execution of release 0.1.0, whose
    definition has no state WaitForSlot. Raises WorkflowUnavailable if the result was not sent.
    """
    now = clock.now()
    job = jobs.read(account, job_id)
    logger.append_keys(job_id=job_id)
    current = jobs.store_task_token(
        job, task_token, state_entry, next_check_at=running_check_at(job, now)
    )
    if current is None:
        _resume_if_ended(job, task_token)
        return
    try:
        with jobs.recording_failures(current):
            _Step(current, task_token, state_entry, now, has_queue_state=has_queue_state).run()
    except (RetryLater, ProviderQueueFull, GenerationFailed) as result:
        step_functions.fail(task_token, type(result).__name__, str(result))


def _resume_if_ended(job: Job, task_token: str) -> None:
    """Resume the execution of an ended job. If a newer token is stored, do nothing.

    StoreOutput does nothing for an ended job. An old token times out.
    """
    if jobs.read(job.account, job.job_id).status.is_final:
        step_functions.resume(task_token)


class _Step:
    """One invocation. It executes actions until no further action follows or an error is raised."""

    def __init__(
        self,
        job: Job,
        task_token: str,
        state_entry: str,
        entered_at: datetime,
        *,
        has_queue_state: bool,
    ) -> None:
        self.job = job
        self.has_queue_state = has_queue_state
        self.task_token = task_token
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

    def run(self) -> None:
        seen: Observation | None = Event.ENTERED
        while seen is not None:
            seen = self._act(seen)

    def _act(self, seen: Observation) -> Observation | None:  # noqa: RET503
        """Execute the next action. Return its observation, or None if no further action follows."""
        # The first action does not depend on webhooks. A canceled job must not load its provider.
        receives_webhooks = seen is not Event.ENTERED and self.receives_webhooks
        action = next_action(
            self.job,
            seen,
            state_entry=self.state_entry,
            receives_webhooks=receives_webhooks,
            now=self.entered_at,
        )
        match action:
            case Wait(seconds, has_jitter):
                factor = random.uniform(1, _JITTER_FACTOR_MAX) if has_jitter else 1  # noqa: S311
                _retry_after(seconds * factor, self.job)
            case Fail(code):
                return self._fail(code)
            case Act.SLEEP:
                return None
            case Act.RESUME:
                self._resume(seen)
                return None
            case Act.WAIT_FOR_SLOT:
                return self._wait_for_slot()
            case CloseAttempt(prediction_id):
                return self._close_attempt(prediction_id)
            case _:
                return self._call_provider(action)

    def _call_provider(self, action: Poll | Literal[Act.FIND, Act.CREATE]) -> Observation:
        try:
            match action:
                case Poll(prediction_id):
                    return self._poll(prediction_id)
                case Act.FIND:
                    return self._find()
                case Act.CREATE:
                    return self._create()
        except ProviderBusy as busy:
            return Busy(busy.retry_after_seconds)

    def _fail(self, code: FailureCode) -> Observation:
        """Raise the failure. A job that got a slot before it left the queue goes on instead."""
        if self.job.queue_key and not provider_queue.leave(self.job):
            self.job = jobs.read(self.job.account, self.job.job_id)
            if code is FailureCode.QUEUE_TIMEOUT:
                return self._call_provider(Act.CREATE)
        raise GenerationFailed(failure(code))

    def _resume(self, seen: Observation) -> None:
        """Resume the workflow. A prediction that will not be retried frees the job's slot."""
        prediction = seen.prediction if isinstance(seen, CreateResponse) else seen
        attempt, now = self.job.attempt, clock.now()
        is_freed = (
            isinstance(prediction, Prediction)
            and attempt is not None
            and not may_retry(self.job, prediction, now=now)
            and dispatch.free_slot(self.job, attempt, now=now)
        )
        step_functions.resume(self.task_token)
        if is_freed and attempt:
            dispatch.dispatch_after(self.job, attempt, now=now)

    def _wait_for_slot(self) -> NoReturn:
        """Make the workflow wait for a slot.

        An execution of release 0.1.0 has no state for this. It enters this state again every
        20 seconds, and the job keeps its place in the queue.
        """
        if self.has_queue_state:
            raise ProviderQueueFull
        if not wait_for_slot.must_not_wait(self.job):
            wait_for_slot.enter_queue(self.job, self.task_token, self.state_entry)
            dispatch.dispatch(self.job.model_input.provider)
        _retry_after(_RETRY_SECONDS_WITHOUT_QUEUE_STATE, self.job)

    def _poll(self, prediction_id: str) -> Observation:
        try:
            with counting_outages():
                return self.provider.get(prediction_id)
        except ProviderUnavailable:
            return Event.POLL_UNANSWERED

    def _close_attempt(self, prediction_id: str) -> Observation:
        *earlier, latest = self.job.attempts
        logger.warning("prediction interrupted, requesting one more", prediction_id=prediction_id)
        now = clock.now()
        attempts.record_finished(self.job, latest, now=now)
        self.job = replace(
            self.job,
            attempts=(*earlier, replace(latest, prediction_id=prediction_id, finished_at=now)),
        )
        return Event.ATTEMPT_CLOSED

    def _find(self) -> Observation:
        attempt = self._attempt
        try:
            with counting_outages():
                found = self.provider.find(self._request(attempt))
        except LookupUnsupported:
            return Event.LOOKUP_UNSUPPORTED
        return self._record_prediction(attempt, found) if found else Event.NOT_FOUND

    def _create(self) -> Observation:
        if not provider_queue.take(self.job, now=self.entered_at):
            return Event.QUEUE_FULL
        inline_bytes_max = max(
            self.provider.INLINE_INPUT_BYTES_MAX, settings().inline_input_bytes_max
        )
        model_input = bucket.link_inputs(self.job.model_input, inline_bytes_max=inline_bytes_max)
        attempt = self._record_attempt()
        if attempt is None:
            return Event.LEASE_TAKEN
        try:
            with counting_outages():
                created = self.provider.create(
                    replace(self._request(attempt), model_input=model_input)
                )
        except ProviderBusy:
            self._give_up_request(attempt)
            raise
        except ProviderUnavailable as error:
            logger.warning(
                "no response from the provider", cause=str(error), requests=attempt.requests_count
            )
            now = clock.now()
            attempts.expire_lease(
                self.job, attempt, until=now + timedelta(seconds=error.unknown_seconds), now=now
            )
            return Event.CREATE_UNANSWERED
        return CreateResponse(self._record_prediction(attempt, created))

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


def _retry_after(seconds: float, job: Job) -> NoReturn:
    """Raise RetryLater for a time in `seconds`, at the latest for the deadline.

    Before the first request, `queue_until` is the deadline. If the deadline is less than
    RECHECK_SECONDS away, the latest time is RECHECK_SECONDS from now. Step Functions waits until a
    whole second, so one second is added.
    """
    now = clock.now()
    latest = max(job.deadline_at or job.queue_until, now + timedelta(seconds=RECHECK_SECONDS))
    raise RetryLater(min(now + timedelta(seconds=seconds), latest) + timedelta(seconds=1))
