"""Reads the rows that the audit compares, account by account, and stores the audit's progress."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, groupby
from typing import Any

from darkroom.domain.audit import AccountRecords, GrantMarker
from darkroom.domain.audit_progress import Key, Progress
from darkroom.domain.errors import DarkroomError
from darkroom.storage.job_rows import JobRow, to_job
from darkroom.storage.table import (
    ENTRY_PREFIX,
    AccountRow,
    AuditRow,
    EntryRow,
    GrantRow,
    LookupRow,
    WelcomeRow,
    to_balance,
    to_entry,
)
from darkroom.storage.transactions import update

_TRIES_MAX = 8
_PAUSE_SECONDS = 0.1
_ACCOUNT_PREFIX = "ACCOUNT#"
_IN_LOOKUP = ("ACCOUNT", "JOB")

type Item = Mapping[str, Any]


class AccountUnsettled(DarkroomError):
    """The account changed during every try to read it, so it cannot be audited now.

    The message is the account.
    """


def accounts(*, after: Key | None = None) -> Iterator[tuple[str, Key]]:
    """Yield the partition of each account, and the row after which a later call continues.

    The scan reads all rows of accounts, so it also finds a partition whose AccountRow is missing. A
    partition that grows during the scan may be yielded twice.
    """
    start = {"pk": {"S": after[0]}, "sk": {"S": after[1]}} if after else None
    rows = AccountRow.scan(
        AccountRow.pk.startswith(_ACCOUNT_PREFIX),
        attributes_to_get=["pk", "sk"],
        last_evaluated_key=start,
    )
    for pk, of_account in groupby(rows, key=lambda row: row.pk):
        yield pk, (pk, max(row.sk for row in of_account))


def read_account(pk: str) -> AccountRecords:
    """Read all rows of an account between two reads of the account's revision.

    Both revisions must be equal: then no write moved credits or counted jobs between them.
    Raises AccountUnsettled after 8 tries, about 25 seconds.
    """
    for number in range(_TRIES_MAX):
        time.sleep(_PAUSE_SECONDS * (2**number - 1))
        revision = _revision(pk)
        # The marker of the welcome credits is not in the account's partition.
        items = list(chain(_items(pk), _items(f"WELCOME#{pk.rpartition('#')[2]}")))
        if _revision(pk) == revision:
            return _records(pk, items, revision or 0)
    raise AccountUnsettled(_name_of(pk))


def add_to_lookup(pk: str, sort_key: str) -> bool:
    """Add the row of an account or a job to the index `lookup`.

    Release 0.1.0 wrote rows that are not in it. Returns False if the row is gone, or is in the
    index now.
    """
    is_missing = LookupRow.sk.exists() & LookupRow.lookup_key.does_not_exist()
    return update(LookupRow(pk, sort_key), [LookupRow.lookup_key.set(sort_key)], is_missing)


def progress() -> Progress:
    """Return the stored progress of the audit."""
    try:
        row = AuditRow.get("AUDIT", "PROGRESS", consistent_read=True)
    except AuditRow.DoesNotExist:
        return Progress()
    counts = (row.mismatches, row.failed, row.mismatches_before, row.failed_before)
    return Progress(
        (row.after_pk, row.after_sk) if row.after_pk else None, *(int(count) for count in counts)
    )


def record_progress(made: Progress) -> None:
    """Store the progress of the audit."""
    after_pk, after_sk = made.after or (None, None)
    AuditRow(
        after_pk=after_pk,
        after_sk=after_sk,
        mismatches=made.mismatches,
        failed=made.failed,
        mismatches_before=made.mismatches_before,
        failed_before=made.failed_before,
    ).save()


def _revision(pk: str) -> int | None:
    try:
        row = AccountRow.get(pk, "ACCOUNT", consistent_read=True, attributes_to_get=["revision"])
    except AccountRow.DoesNotExist:
        return None
    return int(row.revision or 0)


def _items(pk: str) -> Iterator[Item]:
    for page in JobRow.query(pk, consistent_read=True).page_iter:
        yield from page["Items"]


def _records(pk: str, items: Iterable[Item], revision: int) -> AccountRecords:
    rows, unreadable, not_in_lookup = defaultdict[str, list[Any]](list), [], []
    for item in items:
        sort_key: str = item["sk"]["S"]
        kind = sort_key.partition("#")[0]
        if kind in _IN_LOOKUP and "lookup_key" not in item:
            not_in_lookup.append(sort_key)
        if read := _READERS.get(kind):
            try:
                rows[kind].append(read(item))
            except (TypeError, ValueError):
                # An attribute is missing or has the wrong type. Darkroom writes no such row.
                unreadable.append(sort_key)
    name = _name_of(pk)
    return AccountRecords(
        account=name,
        balance=next(iter(rows["ACCOUNT"]), None),
        entries=tuple(rows["ENTRY"]),
        jobs=tuple(rows["JOB"]),
        markers=(
            *rows["GRANT"],
            *(marker for account, marker in rows["WELCOME"] if account == name),
        ),
        deleted=frozenset(rows["DELETED"]),
        unreadable=tuple(unreadable),
        not_in_lookup=tuple(not_in_lookup),
        revision=revision,
    )


def _grant_marker(item: Item) -> GrantMarker:
    row = GrantRow.from_raw_data(dict(item))
    return GrantMarker(
        row.entry_sk.removeprefix(ENTRY_PREFIX), int(row.amount), row.sk.partition("#")[2]
    )


def _welcome_marker(item: Item) -> tuple[str, GrantMarker]:
    row = WelcomeRow.from_raw_data(dict(item))
    return row.account, GrantMarker(
        row.entry_sk.removeprefix(ENTRY_PREFIX), int(row.amount), reference_hash=None
    )


def _name_of(pk: str) -> str:
    return pk.removeprefix(_ACCOUNT_PREFIX).replace("#", "/")


_READERS: Mapping[str, Callable[[Item], Any]] = {
    "ACCOUNT": lambda item: to_balance(AccountRow.from_raw_data(dict(item))),
    "ENTRY": lambda item: to_entry(EntryRow.from_raw_data(dict(item))),
    "JOB": lambda item: to_job(JobRow.from_raw_data(dict(item))),
    "GRANT": _grant_marker,
    "WELCOME": _welcome_marker,
    "DELETED": lambda item: str(item["sk"]["S"]).partition("#")[2],
}
