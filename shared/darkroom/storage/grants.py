"""Grants credits to accounts, and corrects balances.

Each function is one transaction, as in `ledger.py`. A marker row prevents a second grant for the
same reference.
"""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import and_

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from darkroom.domain.accounts import AccountId, Entry
from darkroom.domain.errors import FieldError, InvalidRequest, NotFound
from darkroom.domain.ids import key_part
from darkroom.observability import logger
from darkroom.settings import settings
from darkroom.storage import accounts, ledger
from darkroom.storage.job_rows import partition
from darkroom.storage.table import (
    ACCOUNT_KEY,
    ENTRY_PREFIX,
    AccountRow,
    EntryRow,
    GrantRow,
    Row,
    WelcomeRow,
    grant_sort_key,
    to_entry,
)
from darkroom.storage.transactions import Refused, Update, Write, transact, update

WELCOME_REFERENCE = "welcome"
_NOT_SEEN = (
    "account: no user has ever sent a request with a token of it. Check the platform and the sub. "
    "To grant to it before its first request, send create: true"
)


def grant(
    account: AccountId,
    amount: int,
    *,
    reason: str,
    reference: str,
    now: datetime,
    by: AccountId | None = None,
    create: bool = True,
) -> tuple[Entry, bool]:
    """Grant credits. A negative amount is a correction: it removes available credits.

    Each reference is granted once. `by` is the administrator. Returns the entry, and whether an
    earlier call with the same reference wrote it. Raises NotFound if `create` is false and
    the account has never sent a request with a token. Raises InvalidRequest if the reference was
    used for another amount, or if a correction exceeds the available credits.
    """
    kind = "grant" if amount > 0 else "correction"
    entry = ledger.entry_row(
        account,
        kind,
        now,
        granted=amount,
        available=amount,
        reference=reference,
        reason=reason,
        by=str(by) if by else None,
    )
    marker = GrantRow(
        partition(account), grant_sort_key(reference), entry_sk=entry.sk, amount=amount
    )
    conditions: list[Condition] = [AccountRow.available >= -amount] if amount < 0 else []
    if not create:
        conditions.append(accounts.IS_SEEN)
    only_if = reduce(and_, conditions) if conditions else None
    try:
        transact(_grant_writes(entry, marker, only_if=only_if))
    except Refused as refused:
        if "marker" in refused.rows:
            granted = _earlier_grant(account, marker)
            # If the marker names this call's entry, an earlier try of this transaction succeeded
            # and its response was lost. That is not a repetition.
            return granted, ENTRY_PREFIX + granted.entry_id != entry.sk
        if not create and not accounts.is_seen(refused.rows["account"]):
            raise NotFound(_NOT_SEEN) from refused
        raise InvalidRequest(
            [FieldError("amount", "The correction exceeds the available credits.")]
        ) from refused
    return to_entry(entry), False


def welcome(account: AccountId, *, now: datetime) -> bool:
    """Grant a new user the welcome credits of this deployment.

    Each user (`sub`) gets them once: an account of the same user on another platform gets none.
    Returns whether they were granted now.
    """
    amount = settings().welcome_credits
    row = ledger.find_account(account) if amount else None
    if not amount or (row and row.welcomed_at):
        return False
    entry = ledger.entry_row(
        account, "grant", now, granted=amount, available=amount, reference=WELCOME_REFERENCE
    )
    marker_pk = f"WELCOME#{key_part(account.user)}"
    marker = WelcomeRow(marker_pk, account=str(account), entry_sk=entry.sk, amount=amount)
    welcomed = AccountRow.welcomed_at.set(AccountRow.welcomed_at | now)
    try:
        transact(_grant_writes(entry, marker, welcomed))
    except Refused:
        # Another request granted them first, or the user has them on another platform.
        # `welcomed_at` spares later requests the transaction.
        update(AccountRow(partition(account)), [welcomed])
        return False
    logger.info("welcome credits granted", account=str(account), credits=amount)
    return True


def _grant_writes(
    entry: EntryRow, marker: Row, *more_actions: Action, only_if: Condition | None = None
) -> dict[str, Write]:
    # The other counters are set to zero with the account, because conditions compare them.
    zeros = (AccountRow.held, AccountRow.spent, AccountRow.in_flight, AccountRow.jobs_total)
    actions = [
        AccountRow.granted.add(entry.granted),
        AccountRow.available.add(entry.available),
        *(counter.add(0) for counter in zeros),
        AccountRow.revision.add(1),
        AccountRow.lookup_key.set(ACCOUNT_KEY),
        *more_actions,
    ]
    return {
        "account": Update(AccountRow(entry.pk), actions, only_if),
        "marker": ledger.create(marker),
        "entry": ledger.create(entry),
    }


def _earlier_grant(account: AccountId, marker: GrantRow) -> Entry:
    earlier = GrantRow.get(marker.pk, marker.sk, consistent_read=True)
    if earlier.amount != marker.amount:
        raise InvalidRequest(
            [FieldError("reference", "This reference was used for another amount. Use a new one.")]
        )
    return to_entry(EntryRow.get(partition(account), earlier.entry_sk, consistent_read=True))
