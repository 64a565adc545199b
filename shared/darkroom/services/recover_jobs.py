"""Recovers jobs, once a minute.

Starts jobs that never started, ends jobs whose execution stopped, and deletes jobs whose retention
is over. Releases leaked provider slots, checks impaired providers, and gives free slots to waiting
jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from darkroom import clock
from darkroom.aws import step_functions
from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job
from darkroom.domain.recovery import CHECK_INTERVAL_SECONDS, Action, decide
from darkroom.observability import Metric, count, logger, record_seconds
from darkroom.services import delete_job, provider_health
from darkroom.services.dispatch import dispatch
from darkroom.services.finish_job import finish
from darkroom.settings import settings
from darkroom.storage import checks, jobs, provider_queue, provider_slots
from darkroom.storage.checks import DueCheck
from darkroom.storage.job_rows import CheckQueue

_CHECK_INTERVAL = timedelta(seconds=CHECK_INTERVAL_SECONDS)
# The calls for one job can last this long. A run with less time left checks no further job.
# tests/unit/test_dependent_numbers.py compares it with the Timeout of RecoverJobsFunction.
_ONE_JOB_MILLISECONDS = 15_000


def recover_jobs(remaining_milliseconds: Callable[[], int]) -> None:
    """Check the jobs that are due until the time is over. Then check the providers.

    Two concurrent runs are safe, because each write has a condition.
    """

    def is_late() -> bool:
        return remaining_milliseconds() < _ONE_JOB_MILLISECONDS

    _run(is_late)
    count(Metric.RECOVERY_RUNS)


def _run(is_late: Callable[[], bool]) -> None:
    for queue in CheckQueue:
        for due in checks.due_checks(
            queue, now=clock.now(), limit=settings().recoveries_per_run_max
        ):
            if is_late():
                logger.warning("no time left, the next run continues", queue=queue)
                return
            with _isolate_errors("job not recovered", job_id=due.job_id, queue=queue):
                check(queue, due, clock.now())
    for provider in settings().providers:
        if is_late():
            return
        with _isolate_errors("slots not checked", provider=provider):
            _release_leaked_slots(provider, is_late)
        with _isolate_errors("health not checked", provider=provider):
            provider_health.check_provider(provider, is_late)
        with _isolate_errors("queue not checked", provider=provider):
            _check_queue(provider)


def check(queue: CheckQueue, due: DueCheck, now: datetime) -> None:
    """Recover, purge or expire one job.

    The next check is scheduled first, so a job whose check fails does not delay the others.
    """
    if queue is CheckQueue.OPEN:
        _recover(due.account, due.job_id, now)
    elif due.is_deleted:
        _purge_media(due.account, due.job_id, now)
    else:
        _delete_expired(due.account, due.job_id, now)


@contextmanager
def _isolate_errors(message: str, **fields: Any) -> Iterator[None]:  # noqa: ANN401 (log fields)
    """Isolate failures: log the exception and count it. The next run checks the job again."""
    try:
        yield
    except Exception:  # noqa: BLE001 (one failing job must not stop the others)
        logger.exception(message, **fields)
        count(Metric.RECOVERIES_FAILED)


def _recover(account: AccountId, job_id: str, now: datetime) -> None:
    if not checks.schedule_check(account, job_id, now + _CHECK_INTERVAL):
        return
    job = jobs.read(account, job_id)
    execution = step_functions.execution(job_id)
    decision = decide(
        job,
        started=execution is not None,
        running=execution is not None and execution.is_running,
        stopped_at=execution.stopped_at if execution else None,
        now=now,
    )
    if decision.action is Action.CHECK_LATER:
        checks.schedule_check(account, job_id, decision.next_check_at)
    elif _act(job, decision.action, now):
        logger.info("job recovered", job_id=job_id, action=decision.action.name)
        count(Metric.JOBS_RECOVERED)


def _act(job: Job, action: Action, now: datetime) -> bool:
    """Act on a job. Return False if its execution did not wait for the resume."""
    match action:
        case Action.START:
            step_functions.start(job)
        case Action.RESUME if job.task_token:
            # A job that retries at a busy provider holds a slot too, and its token is not valid.
            return step_functions.resume(job.task_token)
        case Action.STOP:
            step_functions.stop(job.job_id)
        case Action.END:
            ended = finish(job.account, job.job_id, now=now)
            logger.warning(
                "job ended by recovery",
                job_id=job.job_id,
                status=ended.status,
                charged=ended.charged,
                refunded=ended.refunded,
            )
            count(Metric.JOBS_ENDED_BY_RECOVERY)
    return True


def _delete_expired(account: AccountId, job_id: str, now: datetime) -> None:
    if delete_job.delete_if_expired(account, job_id, next_check_at=now + _CHECK_INTERVAL, now=now):
        logger.info("job deleted after its retention", job_id=job_id)
        count(Metric.JOBS_EXPIRED)


def _purge_media(account: AccountId, job_id: str, now: datetime) -> None:
    delete_job.purge_media(account, job_id, next_check_at=now + _CHECK_INTERVAL)


def _release_leaked_slots(provider: str, is_late: Callable[[], bool]) -> None:
    for slot in provider_slots.possibly_leaked(provider, now=clock.now()):
        if is_late():
            return
        if provider_slots.release_if_leaked(provider, slot):
            logger.error("leaked slot released", provider=provider, job_id=slot.job_id)
            count(Metric.SLOTS_LEAKED)


def _check_queue(provider: str) -> None:
    """Give free slots to waiting jobs, because an invocation may have crashed before it did so.

    Record how long the first job has waited.
    """
    now = clock.now()
    heads = provider_queue.entries_before(provider, None, limit=1)
    if heads:
        dispatch(provider, grants_max=settings().in_flight_max(provider))
    age_seconds = (now - heads[0].enqueued_at).total_seconds() if heads else 0
    record_seconds(Metric.QUEUE_AGE_SECONDS, age_seconds)
