"""The responses for administrators. Each response lists its fields explicitly."""

from __future__ import annotations

from datetime import datetime

from darkroom.domain.accounts import Account, Entry
from darkroom.domain.jobs import Job
from darkroom.schemas.admin_responses import (
    AccountPageResponse,
    AccountResponse,
    AdminEntryPageResponse,
    AdminEntryResponse,
    AdminJobPageResponse,
    AdminJobResponse,
)
from darkroom.schemas.job_response import job_response
from darkroom.schemas.service_responses import PausedResponse
from darkroom.schemas.views import balance_response, entry_response, time_text
from darkroom.storage.feature_flags import PauseState
from darkroom.storage.pagination import Page


def account_response(account: Account) -> AccountResponse:
    """Build the response for an account."""
    suspension = account.suspension
    return {
        "platform": account.account.platform,
        "user": account.account.user,
        "credits": balance_response(account.balance),
        "seen_at": time_text(account.seen_at),
        "suspended": {
            "at": time_text(suspension.at),
            "by": suspension.by,
            "reason": suspension.reason,
        }
        if suspension
        else None,
    }


def paused_response(state: PauseState) -> PausedResponse:
    """Build the response for the pause of new jobs."""
    return {
        "paused": state.paused,
        "reason": state.reason,
        "by": state.by,
        "at": time_text(state.at),
    }


def account_page_response(page: Page[Account]) -> AccountPageResponse:
    """Build the response for a page of accounts."""
    return {
        "accounts": [account_response(account) for account in page.items],
        "next_cursor": page.next_cursor,
    }


def admin_entry_response(entry: Entry) -> AdminEntryResponse:
    """Build the response for a ledger entry."""
    return {**entry_response(entry), "by": entry.by, "reason": entry.reason}


def admin_entry_page_response(page: Page[Entry]) -> AdminEntryPageResponse:
    """Build the response for a page of ledger entries."""
    return {
        "entries": [admin_entry_response(entry) for entry in page.items],
        "next_cursor": page.next_cursor,
    }


def admin_job_response(job: Job, *, now: datetime) -> AdminJobResponse:
    """Build the response for a job of any account, with links that are valid from now on."""
    return {
        **job_response(job, now=now),
        "account": {"platform": job.account.platform, "user": job.account.user},
        "provider": job.model_input.provider,
        "predictions": [
            {
                "attempt": attempt.number,
                "prediction_id": attempt.prediction_id,
                "requested_at": time_text(attempt.requested_at),
                "finished_at": time_text(attempt.finished_at),
            }
            for attempt in job.attempts
        ],
        "callback_url": job.callback_url,
    }


def admin_job_page_response(page: Page[Job], *, now: datetime) -> AdminJobPageResponse:
    """Build the response for a page of jobs."""
    return {
        "jobs": [admin_job_response(job, now=now) for job in page.items],
        "next_cursor": page.next_cursor,
    }
