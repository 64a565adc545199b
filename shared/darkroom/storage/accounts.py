"""The rows of accounts as administrators use them: the list, suspensions, and the first request.

No function here moves credits.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import Condition

from darkroom.domain.accounts import Account, AccountId, Suspension
from darkroom.domain.errors import NotFound
from darkroom.storage.index_pages import read_index_page
from darkroom.storage.job_rows import account_of, partition
from darkroom.storage.pagination import Page
from darkroom.storage.table import ACCOUNT_KEY, AccountRow, LookupRow, to_balance
from darkroom.storage.transactions import update

# A row of release 0.1.0 has no `seen_at`. Only requests with a token set the other two attributes.
IS_SEEN: Condition = (
    AccountRow.seen_at.exists()
    | AccountRow.welcomed_at.exists()
    | AccountRow.callback_secret.exists()
)
IS_SUSPENDED: Condition = AccountRow.suspended_at.exists()

_recorded: set[AccountId] = set()
_RECORDED_MAX = 10_000


def record_seen(account: AccountId, now: datetime) -> None:
    """Record the first request with a token of the account, once.

    An execution environment remembers up to 10,000 accounts, so most requests make no call. The
    first request of an account in an environment makes one read. Only the first request of an
    account writes.
    """
    if account in _recorded:
        return
    row = AccountRow(partition(account))
    with suppress(AccountRow.DoesNotExist):
        # The read may be outdated. Then the write keeps the earlier time.
        row = AccountRow.get(row.pk, ACCOUNT_KEY, attributes_to_get=["pk", "sk", "seen_at"])
    if row.seen_at is None:
        update(
            row,
            [
                AccountRow.seen_at.set(AccountRow.seen_at | now),
                AccountRow.lookup_key.set(ACCOUNT_KEY),
            ],
        )
    if len(_recorded) >= _RECORDED_MAX:
        _recorded.clear()
    _recorded.add(account)


def page(*, limit: int, cursor: str | None) -> Page[Account]:
    """Return a page of all accounts, in the order of their platforms and encoded names.

    The list may omit an account for about a second after its first write. The balances are
    strongly consistent. Raises InvalidRequest if the cursor is malformed.
    """
    keys = read_index_page(
        LookupRow.lookup, ("lookup_key", "pk"), ACCOUNT_KEY, limit=limit, cursor=cursor
    )
    rows = {row.pk: row for row in AccountRow.batch_get(list(keys.items), consistent_read=True)}
    return Page(tuple(_account(rows[pk]) for pk, _ in keys.items if pk in rows), keys.next_cursor)


def suspend(account: AccountId, *, by: AccountId, reason: str | None, now: datetime) -> Account:
    """Refuse new jobs of the account. A repetition changes nothing.

    Raises NotFound if there is no such account.
    """
    row = AccountRow(partition(account))
    actions = [AccountRow.suspended_at.set(now), AccountRow.suspended_by.set(str(by))]
    if reason is not None:
        actions.append(AccountRow.suspended_reason.set(reason))
    if not update(row, actions, AccountRow.pk.exists() & ~IS_SUSPENDED):
        try:
            row.refresh(consistent_read=True)
        except AccountRow.DoesNotExist:
            raise NotFound("account") from None
    return _account(row)


def resume(account: AccountId) -> Account:
    """Accept new jobs of the account again. A repetition changes nothing.

    Raises NotFound if there is no such account.
    """
    row = AccountRow(partition(account))
    actions = [
        AccountRow.suspended_at.remove(),
        AccountRow.suspended_by.remove(),
        AccountRow.suspended_reason.remove(),
    ]
    if not update(row, actions, AccountRow.pk.exists()):
        raise NotFound("account")
    return _account(row)


def is_seen(item: Mapping[str, Any] | None) -> bool:
    """Return whether IS_SEEN is true for an item in DynamoDB's JSON."""
    return bool(item) and any(
        name in (item or {}) for name in ("seen_at", "welcomed_at", "callback_secret")
    )


def _account(row: AccountRow) -> Account:
    return Account(
        account=account_of(row.pk),
        balance=to_balance(row),
        seen_at=row.seen_at,
        suspension=Suspension(row.suspended_at, str(row.suspended_by), row.suspended_reason)
        if row.suspended_at
        else None,
    )
