"""The bodies of responses for administrators, as types.

This module evaluates annotations at once (no `from __future__ import annotations`). Otherwise
typing compiles each annotation at every cold start.
"""

from typing import TypedDict

from darkroom.schemas.account_responses import BalanceResponse, EntryResponse
from darkroom.schemas.formats import Time, Url, defer_builds
from darkroom.schemas.responses import JobResponse


class SuspensionResponse(TypedDict):
    """Since when an account may not submit jobs, and why.

    `by` is the account of the administrator who suspended it, as `platform/user`.
    """

    at: Time
    by: str
    reason: str | None


class AccountResponse(TypedDict):
    """An account. `user` is the `sub` of the user's tokens.

    `seen_at` is the time of the first request with a token of the account. It is null before that.
    `suspended` is null if the account may submit jobs.
    """

    platform: str
    user: str
    credits: BalanceResponse
    seen_at: Time | None
    suspended: SuspensionResponse | None


class AccountPageResponse(TypedDict):
    """A page of all accounts. `next_cursor` is null on the last page."""

    accounts: list[AccountResponse]
    next_cursor: str | None


class AdminEntryResponse(EntryResponse):
    """A ledger entry as administrators see it.

    `by` is the account of the administrator who granted or corrected, as `platform/user`. `reason`
    is the administrator's text. Both are null for other entries.
    """

    by: str | None
    reason: str | None


class AdminEntryPageResponse(TypedDict):
    """A page of ledger entries, newest first. `next_cursor` is null on the last page."""

    entries: list[AdminEntryResponse]
    next_cursor: str | None


class AccountNameResponse(TypedDict):
    """The two parts of an account's name. `user` is the `sub` of the user's tokens."""

    platform: str
    user: str


class PredictionResponse(TypedDict):
    """An attempt at the provider. `prediction_id` is null until it is known."""

    attempt: int
    prediction_id: str | None
    requested_at: Time
    finished_at: Time | None


class AdminJobResponse(JobResponse):
    """A job as administrators see it, with its account and its predictions at the provider."""

    account: AccountNameResponse
    provider: str
    predictions: list[PredictionResponse]
    callback_url: Url | None


class AdminJobPageResponse(TypedDict):
    """A page of open jobs. The job that recovery checks next is first.

    A page may have fewer jobs than `limit`, and still have a next page. `next_cursor` is null on
    the last page.
    """

    jobs: list[AdminJobResponse]
    next_cursor: str | None


defer_builds(vars())
