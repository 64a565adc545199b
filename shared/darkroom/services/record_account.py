"""Records that a user has sent a request with a token of an account."""

from __future__ import annotations

from darkroom import clock
from darkroom.domain.accounts import AccountId
from darkroom.storage import accounts


def record_seen(account: AccountId) -> None:
    """Record the account's first request. Grants to an account without one need `create`."""
    accounts.record_seen(account, now=clock.now())
