"""Workflow state RequestPrediction: make sure that the job has one prediction at its provider.

`domain/prediction_step.py` decides the next action, and this module executes it. Each attempt is
recorded on the job, with a lease, before its request is sent. If the invocation crashes, the next
invocation finds the prediction by this record.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal, NoReturn

from darkroom import clock
from darkroom.aws import step_functions
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import GenerationFailed, ProviderQueueFull, RetryLater
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job
from darkroom.domain.prediction_step import (
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
from darkroom.domain.predictions import Prediction, may_retry
from darkroom.domain.provider_errors import ProviderBusy
from darkroom.domain.recovery import running_check_at
from darkroom.observability import logger
from darkroom.services import dispatch, wait_for_slot
from darkroom.services.provider_calls import ProviderCalls
from darkroom.storage import attempts, jobs, provider_queue, provider_slots

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


class _Step(ProviderCalls):
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
        super().__init__(job, state_entry, entered_at)
        self.has_queue_state = has_queue_state
        self.task_token = task_token

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
            case Act.WAIT_FOR_SLOT | Act.RETURN_SLOT:
                return self._wait_for_slot(returns_slot=action is Act.RETURN_SLOT)
            case CloseAttempt(prediction_id):
                return self._close_attempt(prediction_id)
            case _:
                return self._call_provider(action)

    def _call_provider(self, action: Poll | Literal[Act.FIND, Act.CREATE]) -> Observation:
        try:
            match action:
                case Poll(prediction_id):
                    return self.poll(prediction_id)
                case Act.FIND:
                    return self.find()
                case Act.CREATE:
                    return self.create()
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
            and attempts.record_success(self.job, attempt, now=now)
        )
        step_functions.resume(self.task_token)
        if is_freed and attempt:
            dispatch.dispatch_after(self.job, attempt, now=now)

    def _wait_for_slot(self, *, returns_slot: bool) -> NoReturn:
        """Make the workflow wait for a slot. `returns_slot`: the job gives its slot back first.

        If the job has changed, the slot stays, and the next state reads the job again. An execution
        of release 0.1.0 has no state for the wait. It enters this state again every 20 seconds, and
        the job keeps its place in the queue.
        """
        if returns_slot:
            provider_slots.return_slot(self.job, now=clock.now())
        if self.has_queue_state:
            raise ProviderQueueFull
        if not wait_for_slot.must_not_wait(self.job):
            wait_for_slot.enter_queue(self.job, self.task_token, self.state_entry)
            dispatch.dispatch(self.job.model_input.provider)
        _retry_after(_RETRY_SECONDS_WITHOUT_QUEUE_STATE, self.job)

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


def _retry_after(seconds: float, job: Job) -> NoReturn:
    """Raise RetryLater for a time in `seconds`, at the latest for the deadline.

    Before the first request, `queue_until` is the deadline. If the deadline is less than
    RECHECK_SECONDS away, the latest time is RECHECK_SECONDS from now. Step Functions waits until a
    whole second, so one second is added.
    """
    now = clock.now()
    latest = max(job.deadline_at or job.queue_until, now + timedelta(seconds=RECHECK_SECONDS))
    raise RetryLater(min(now + timedelta(seconds=seconds), latest) + timedelta(seconds=1))
