"""The rules of a provider's health: its pause, its faults in a row, its unavailable templates.

A paused provider gets no requests for new predictions. A provider is paused at the daily ceiling in
USD, when it refuses Darkroom's account, and after many faults in a row over several templates. A
pause of the last two kinds ends by a check of the provider, and not by time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from darkroom.domain.failures import FailureCode

FAULTS_MIN = 10
FAULT_TEMPLATES_MIN = 3
FAULT_ACCOUNTS_MIN = 2
# The seconds until the first check, the second one, and so on. The last number repeats.
CHECK_SECONDS = (60, 120, 240, 480, 900)
# Failures that the provider or its model caused. A retired model has its own handling, and a
# rejected output can follow from the user's parameters.
PROVIDER_FAULTS = frozenset(
    {
        FailureCode.DEADLINE_EXCEEDED,
        FailureCode.NO_OUTPUT,
        FailureCode.OUTPUT_HOST_REFUSED,
        FailureCode.OUTPUT_UNAVAILABLE,
        FailureCode.PREDICTION_FAILED,
        FailureCode.PROVIDER_UNAVAILABLE,
    }
)


class PauseReason(StrEnum):
    """Why a provider is paused."""

    SPEND = "spend"
    """The provider has reached the daily ceiling in USD. The pause ends at midnight UTC."""
    ACCOUNT = "account"
    """The provider refuses Darkroom's account. The pause ends by a check."""
    FAULTS = "faults"
    """The provider had many faults in a row, over several templates. The pause ends by a check."""


@dataclass(frozen=True, slots=True)
class FaultRow:
    """The faults of a provider since its last success.

    A job counts as a success if it has completed and got its slot after the first of these faults.
    `templates` and `accounts` have the jobs' templates and accounts, a few of each.
    """

    count: int = 0
    templates: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()

    def with_fault(self, template: str, account: str) -> FaultRow:
        """Return the row with one more fault."""
        templates = (*self.templates, template)[:FAULT_TEMPLATES_MIN]
        accounts = (*self.accounts, account)[:FAULT_ACCOUNTS_MIN]
        return FaultRow(
            self.count + 1,
            self.templates if template in self.templates else templates,
            self.accounts if account in self.accounts else accounts,
        )

    def pauses(self, *, templates_count: int) -> bool:
        """Return whether the faults are many, over several templates and of several accounts.

        The faults of one account alone pause nobody. `templates_count` is the number of templates
        of the provider. If it has fewer than FAULT_TEMPLATES_MIN, all of them must have faults.
        """
        templates_min = min(FAULT_TEMPLATES_MIN, templates_count)
        return (
            self.count >= FAULTS_MIN
            and len(self.templates) >= templates_min
            and len(self.accounts) >= FAULT_ACCOUNTS_MIN
        )


@dataclass(frozen=True, slots=True)
class UnavailableTemplate:
    """A template whose model the provider does not offer. Its jobs are refused until a check."""

    since: datetime
    reason: str
    next_check_at: datetime
    checks_count: int = 0

    def after_failed_check(self, now: datetime) -> UnavailableTemplate:
        """Return the template with the time of its next check."""
        count = self.checks_count + 1
        return UnavailableTemplate(self.since, self.reason, now + until_check(count), count)


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The virtual time of a provider's queue, and the provider's health.

    `paused_until` is the end of a pause, or the time of the next check of a pause that ends by a
    check. `pauses_count` counts the pauses and failed checks since the last success. `unavailable`
    and `drifting` have the codes of templates. `drifting` tells what differs from the provider.
    """

    virtual_time: int = 0
    paused_until: datetime | None = None
    pause_reason: PauseReason | None = None
    pauses_count: int = 0
    faults: FaultRow = field(default_factory=FaultRow)
    unavailable: Mapping[str, UnavailableTemplate] = field(default_factory=dict)
    drifting: Mapping[str, str] = field(default_factory=dict)

    def is_paused(self, now: datetime) -> bool:
        """Return whether the provider gets no new requests now."""
        return self.paused_until is not None and (self.ends_by_check or now < self.paused_until)

    @property
    def ends_by_check(self) -> bool:
        """Whether the pause ends by a check of the provider."""
        return self.pause_reason in (PauseReason.ACCOUNT, PauseReason.FAULTS)

    def needs_check(self, now: datetime) -> bool:
        """Return whether the provider must be checked now to end its pause."""
        return self.ends_by_check and self.paused_until is not None and now >= self.paused_until

    @property
    def is_impaired(self) -> bool:
        """Whether the provider has failed or was paused since its last success.

        A job that gets a slot then is marked, and its success clears the faults.
        """
        return bool(self.faults.count or self.pauses_count)


def until_check(count: int) -> timedelta:
    """Return the time until the next check, after `count` pauses or failed checks."""
    return timedelta(seconds=CHECK_SECONDS[min(count, len(CHECK_SECONDS) - 1)])
