"""Watches the health of the providers: pauses, checks, faults in a row, unavailable templates.

`domain/provider_health.py` has the rules, and `storage/provider_state.py` the record. Recovery
calls `check_provider` every minute.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

from darkroom import catalog, clock
from darkroom.catalog.available_templates import available_templates
from darkroom.domain.errors import GenerationFailed, ModelUnavailable, NotFound
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.provider_errors import ProviderBusy, ProviderUnavailable
from darkroom.domain.provider_health import PROVIDER_FAULTS, PauseReason, ProviderState
from darkroom.observability import Metric, count, logger
from darkroom.providers import load_provider
from darkroom.services import spend
from darkroom.services.dispatch import dispatch
from darkroom.settings import settings
from darkroom.storage import provider_state

_REFUSED_CREATE = "the provider refused a request for the model"


def require_accepted(template_code: str, provider: str, *, now: datetime) -> None:
    """Raise ProviderPaused or ModelUnavailable if new jobs of a template are refused.

    With a daily ceiling, the state is read now. Otherwise it may be ten seconds old.
    """
    if settings().daily_spend_usd_max:
        state = provider_state.read_state(provider)
        spend.require_below_ceiling(state, now=now)
    else:
        state = provider_state.recent_state(provider, now=now)
    _require_offered(template_code, state, now)


def require_offered(template_code: str, provider: str, *, now: datetime) -> None:
    """Raise ModelUnavailable if the provider did not offer the template's model seconds ago."""
    _require_offered(template_code, provider_state.recent_state(provider, now=now), now)


def pause_refused(provider: str, reason: str, *, now: datetime) -> None:
    """Pause a provider that refuses Darkroom's account, until a check succeeds."""
    if provider_state.pause_until_check(provider, PauseReason.ACCOUNT, now=now):
        logger.error(
            "provider paused, because it refuses the account", provider=provider, reason=reason
        )


def record_refused_create(job: Job, error: GenerationFailed, *, now: datetime) -> None:
    """Make a template unavailable if a request for its current model was refused as unknown."""
    if (
        error.failure.code is not FailureCode.MODEL_UNAVAILABLE
        or not error.concerns_template
        or not provider_state.has_current_model(job)
    ):
        return
    provider, code = job.model_input.provider, job.template.code
    if provider_state.mark_unavailable(provider, code, _REFUSED_CREATE, now):
        logger.error("template unavailable", provider=provider, template=code)


def record_end(job: Job, *, now: datetime) -> None:
    """Count the end of a job for the health of its provider.

    A fault is added to the faults in a row, and many faults pause the provider. A job that has
    completed, and got its slot after the first of these faults, ends the row. Errors are logged and
    not raised, because the job has ended.
    """
    try:
        if job.status is JobStatus.COMPLETED and job.provider_impaired:
            _record_success(job.model_input.provider)
        elif job.failure and job.failure.code in PROVIDER_FAULTS:
            _record_fault(job, now)
    except Exception:  # noqa: BLE001 (see above)
        logger.exception("health of the provider not recorded", job_id=job.job_id)


def check_provider(provider: str, is_late: Callable[[], bool]) -> None:
    """Check a paused provider and unavailable templates whose check is due. Count both.

    A check that succeeds ends the pause, and waiting jobs get slots. A check that fails is repeated
    later. `is_late` tells whether there is no time for a call to the provider.
    """
    state = provider_state.read_state(provider)
    now = clock.now()
    is_paused = state.is_paused(now)
    unavailable = len(state.unavailable)
    if state.needs_check(now) and not is_late():
        is_paused = not _check_account(provider, state)
    count(Metric.PROVIDERS_PAUSED, int(is_paused))
    for code, template in state.unavailable.items():
        if now >= template.next_check_at and not is_late():
            unavailable -= _check_template(provider, code)
    if unavailable:
        count(Metric.MODELS_UNAVAILABLE, unavailable)


def _require_offered(template_code: str, state: ProviderState, now: datetime) -> None:
    template = state.unavailable.get(template_code)
    if template:
        seconds = math.ceil((template.next_check_at - now).total_seconds())
        raise ModelUnavailable(template_code, max(seconds, 1))


def _record_success(provider: str) -> None:
    if provider_state.record_success(provider):
        logger.info("provider resumed after a success", provider=provider)
        dispatch(provider, grants_max=settings().in_flight_max(provider))


def _record_fault(job: Job, now: datetime) -> None:
    provider = job.model_input.provider
    faults = provider_state.record_fault(provider, job.template.code, str(job.account))
    templates_count = sum(each.provider == provider for each in available_templates())
    if faults.pauses(templates_count=templates_count) and provider_state.pause_until_check(
        provider, PauseReason.FAULTS, now=now
    ):
        logger.error(
            "provider paused after faults in a row",
            provider=provider,
            faults=faults.count,
            templates=faults.templates,
        )


def _check_account(provider: str, state: ProviderState) -> bool:
    """Check whether the provider accepts the account. Return whether its pause is over."""
    try:
        load_provider(provider).check()
    except (ProviderBusy, ProviderUnavailable) as error:
        logger.warning("provider stays paused", provider=provider, cause=repr(error))
        provider_state.extend_pause(provider, state, now=clock.now())
        return False
    if not provider_state.resume_after_check(provider, state):
        return False
    logger.info("provider resumed after a check", provider=provider, reason=state.pause_reason)
    dispatch(provider, grants_max=settings().in_flight_max(provider))
    return True


def _check_template(provider: str, code: str) -> bool:
    """Check whether the provider offers a template's model. Return whether it is available."""
    try:
        model = catalog.template(code).model
        is_offered = load_provider(provider).is_offered(model)
    except NotFound:
        # A deployment has removed the template.
        is_offered = True
    except (ProviderBusy, ProviderUnavailable) as error:
        logger.warning("model not checked", template=code, cause=repr(error))
        is_offered = False
    except Exception:  # noqa: BLE001 (the other templates must be checked)
        logger.exception("model not checked", template=code)
        count(Metric.RECOVERIES_FAILED)
        is_offered = False
    if not is_offered:
        provider_state.delay_check(provider, code, clock.now())
        return False
    provider_state.clear_unavailable(provider, code)
    logger.info("template available again", provider=provider, template=code)
    return True
