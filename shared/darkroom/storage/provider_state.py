"""The state of a provider: the virtual time of its queue, its pause, its faults, its templates.

A paused provider gets no requests for new predictions. Waiting jobs wait, within `queue_until`.
`domain/provider_health.py` has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from pynamodb.expressions.update import Action

from darkroom import catalog
from darkroom.domain.errors import GenerationFailed, NotFound
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job
from darkroom.domain.provider_health import (
    FaultRow,
    PauseReason,
    ProviderState,
    UnavailableTemplate,
    until_check,
)
from darkroom.storage.queue_rows import (
    ProviderStateRow,
    to_provider_state,
    unavailable_attribute,
)
from darkroom.storage.transactions import update

STATE_SORT_KEY = "state"
# The writers of one attribute are few: the jobs that fail at the same moment, and recovery.
_TRIES_MAX = 5
_RECENT = timedelta(seconds=10)


def partition(provider: str) -> str:
    """Return the partition key of the provider's slots and state."""
    return f"SLOT#{provider}"


def read_state(provider: str) -> ProviderState:
    """Return the state of a provider, with a strongly consistent read."""
    return to_provider_state(_read(provider))


def recent_state(provider: str, *, now: datetime) -> ProviderState:
    """Return the state of a provider as this process read it at most ten seconds ago."""
    known = _recent_states.get(provider)
    if known is None or not now - _RECENT <= known[0] <= now:
        known = _recent_states[provider] = (now, read_state(provider))
    return known[1]


_recent_states: dict[str, tuple[datetime, ProviderState]] = {}


def require_offered(job: Job, state: ProviderState) -> None:
    """Raise GenerationFailed if the provider does not offer the model of a job."""
    if job.template.code in state.unavailable and has_current_model(job):
        raise GenerationFailed(failure(FailureCode.MODEL_UNAVAILABLE))


def has_current_model(job: Job) -> bool:
    """Return whether the job's model is that of the current version of its template.

    A job that waited during a deployment may have another one.
    """
    try:
        return catalog.template(job.template.code).model == job.model_input.model
    except NotFound:
        return False


def pause(provider: str, *, until: datetime, reason: PauseReason, now: datetime) -> bool:
    """Pause a provider until a time. A pause for another reason is not changed before its end.

    A pause for the same reason is only extended. Returns whether this call paused the provider or
    extended its pause.
    """
    is_free = ProviderStateRow.paused_until.does_not_exist() | (
        ProviderStateRow.paused_until <= now
    )
    is_shorter = (ProviderStateRow.pause_reason == reason.value) & (
        ProviderStateRow.paused_until < until
    )
    return update(
        _row(provider),
        [
            ProviderStateRow.paused_until.set(until),
            ProviderStateRow.pause_reason.set(reason.value),
        ],
        is_free | is_shorter,
    )


def pause_until_check(provider: str, reason: PauseReason, *, now: datetime) -> bool:
    """Pause a provider until a check succeeds. Returns whether this call paused the provider.

    A paused provider stays as it is. Each pause since the last success delays the check more.
    """
    state = read_state(provider)
    return not state.is_paused(now) and _schedule_check(provider, state, reason, now=now)


def extend_pause(provider: str, state: ProviderState, *, now: datetime) -> bool:
    """Record a failed check of a paused provider: the next check is later.

    Returns False if the pause is not the one in `state`.
    """
    return state.pause_reason is not None and _schedule_check(
        provider, state, state.pause_reason, now=now
    )


def resume(provider: str) -> None:
    """End the pause of a provider. The caller dispatches its queue."""
    update(_row(provider), _END_OF_PAUSE)


def resume_after_check(provider: str, state: ProviderState) -> bool:
    """End the pause in `state`, whose check has succeeded. The caller dispatches the queue.

    After a pause by faults, the next fault pauses the provider again. Returns False if the pause is
    not the one in `state`.
    """
    return update(
        _row(provider),
        _END_OF_PAUSE,
        ProviderStateRow.paused_until == state.paused_until,
    )


def record_fault(provider: str, template: str, account: str) -> FaultRow:
    """Add a fault of a job to the provider's faults in a row, and return these."""

    def add(state: ProviderState) -> dict[str, Any]:
        return asdict(state.faults.with_fault(template, account))

    return _rewrite(provider, "faults", add).faults


def record_success(provider: str) -> bool:
    """Forget the provider's faults and pauses. Returns whether this ended a pause by faults."""
    is_resumed = update(
        _row(provider),
        [*_END_OF_PAUSE, *_END_OF_FAULTS],
        ProviderStateRow.pause_reason == PauseReason.FAULTS.value,
    )
    return is_resumed or (update(_row(provider), _END_OF_FAULTS) and False)


def mark_unavailable(provider: str, template_code: str, reason: str, now: datetime) -> bool:
    """Record that the provider does not offer the model of a template.

    Returns False if this is known. Until a check of recovery succeeds, the template's submits are
    refused and its waiting jobs fail at their turn.
    """
    added = UnavailableTemplate(now, reason, now + until_check(0))
    is_new = False

    def add(state: ProviderState) -> dict[str, Any]:
        nonlocal is_new
        is_new = template_code not in state.unavailable
        return unavailable_attribute({template_code: added, **state.unavailable})

    _rewrite(provider, "unavailable", add)
    return is_new


def delay_check(provider: str, template_code: str, now: datetime) -> None:
    """Record a failed check of an unavailable template: its next check is later."""

    def delay(state: ProviderState) -> dict[str, Any]:
        known = dict(state.unavailable)
        if template_code in known:
            known[template_code] = known[template_code].after_failed_check(now)
        return unavailable_attribute(known)

    _rewrite(provider, "unavailable", delay)


def clear_unavailable(provider: str, template_code: str) -> bool:
    """Record that the provider offers the model of a template. Returns False if this is known."""
    was_unavailable = False

    def remove(state: ProviderState) -> dict[str, Any]:
        nonlocal was_unavailable
        was_unavailable = template_code in state.unavailable
        return unavailable_attribute(
            {code: each for code, each in state.unavailable.items() if code != template_code}
        )

    _rewrite(provider, "unavailable", remove)
    return was_unavailable


def mark_drift(provider: str, drifting: Mapping[str, str]) -> None:
    """Store which templates differ from the provider, and what differs. Replaces the last result.

    `drifting` has a text for administrators for each template's code.
    """
    update(_row(provider), [ProviderStateRow.drifting.set(dict(drifting))])


def advance(provider: str, virtual_time: int) -> None:
    """Advance the virtual time of the provider's queue. It never goes back."""
    update(
        _row(provider),
        [ProviderStateRow.virtual_time.set(virtual_time)],
        ProviderStateRow.virtual_time.does_not_exist()
        | (ProviderStateRow.virtual_time < virtual_time),
    )


_END_OF_PAUSE: list[Action] = [
    ProviderStateRow.paused_until.remove(),
    ProviderStateRow.pause_reason.remove(),
]
_END_OF_FAULTS: list[Action] = [
    ProviderStateRow.faults.remove(),
    ProviderStateRow.pauses_count.remove(),
]


def _schedule_check(
    provider: str, state: ProviderState, reason: PauseReason, *, now: datetime
) -> bool:
    """Set the time of the next check, if the pause is still the one in `state`."""
    is_same = (
        ProviderStateRow.paused_until == state.paused_until
        if state.paused_until
        else ProviderStateRow.paused_until.does_not_exist()
    )
    return update(
        _row(provider),
        [
            ProviderStateRow.paused_until.set(now + until_check(state.pauses_count)),
            ProviderStateRow.pause_reason.set(reason.value),
            ProviderStateRow.pauses_count.set(state.pauses_count + 1),
        ],
        is_same,
    )


def _rewrite(
    provider: str, name: str, change: Callable[[ProviderState], dict[str, Any]]
) -> ProviderState:
    """Replace one attribute by what `change` makes of the state, and return the new state.

    Another writer of the attribute makes this one read again. After several tries, the change is
    lost: the next fault, or the next check, makes the change again.
    """
    for _ in range(_TRIES_MAX):
        row = _read(provider)
        before, after = getattr(row, name), change(to_provider_state(row))
        if after == (before or {}):
            break
        path = getattr(ProviderStateRow, name)
        is_same = path == before if before is not None else path.does_not_exist()
        if update(_row(provider), [path.set(after)], is_same):
            setattr(row, name, after)
            break
    return to_provider_state(row)


def _read(provider: str) -> ProviderStateRow:
    try:
        return ProviderStateRow.get(partition(provider), STATE_SORT_KEY, consistent_read=True)
    except ProviderStateRow.DoesNotExist:
        return _row(provider)


def _row(provider: str) -> ProviderStateRow:
    return ProviderStateRow(partition(provider), STATE_SORT_KEY)
