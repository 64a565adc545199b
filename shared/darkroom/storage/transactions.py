"""Conditional writes and transactions, with retries.

A write either succeeds, is refused by its condition, or raises the error of DynamoDB. Conflicts
with other transactions and throttling are retried here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.connection import Connection
from pynamodb.constants import ALL_OLD
from pynamodb.exceptions import TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from darkroom.domain.errors import DarkroomError
from darkroom.storage.connections import share_client
from darkroom.storage.table import Row

_TRIES_MAX = 6
_TRYING_SECONDS_MAX = 2.0
_BACKOFF_SECONDS = 0.025
_DECIDED = {None, "None", "ConditionalCheckFailed"}
TRANSIENT_CODES = {
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionCanceledException",
    "TransactionConflictException",
    "TransactionInProgressException",
}


@dataclass(frozen=True, slots=True)
class Put:
    """Write the row if the condition is true."""

    row: Model
    condition: Condition


@dataclass(frozen=True, slots=True)
class Update:
    """Update the row if the condition is None or true."""

    row: Model
    actions: Sequence[Action]
    condition: Condition | None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the row if the condition is None or true."""

    row: Model
    condition: Condition | None


type Write = Put | Update | Delete
type RawItem = Mapping[str, Any]
"""An item in DynamoDB's JSON."""


class Refused(DarkroomError):
    """A condition of a transaction was false. Nothing was written.

    `rows` maps the name of each refused write to its row, as it was then. The row is None if it did
    not exist, and for deletions, because PynamoDB cannot request the row for them.
    """

    def __init__(self, rows: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Store the rows by the names of their writes."""
        super().__init__(", ".join(sorted(rows)))
        self.rows = rows


def transact(writes: Mapping[str, Write]) -> None:
    """Perform all writes in one transaction.

    Raises Refused if conditions were false and nothing else failed, otherwise the PynamoDB error. A
    request without a response may be repeated although it succeeded. The caller's conditions must
    refuse the repetition.
    """
    # PynamoDB sends deletes, then puts, then updates. DynamoDB returns the reasons in this order.
    named = sorted(writes.items(), key=lambda item: (Delete, Put, Update).index(type(item[1])))

    def send() -> None:
        try:
            _send([write for _, write in named])
        except TransactWriteError as error:
            reasons = error.cancellation_reasons
            if reasons and all((reason.code if reason else None) in _DECIDED for reason in reasons):
                failed = {
                    name: reason.raw_item
                    for (name, _), reason in zip(named, reasons, strict=True)
                    if reason and reason.code != "None"
                }
                raise Refused(failed) from error
            raise

    _with_retries(send)


def update(row: Model, actions: Sequence[Action], condition: Condition | None = None) -> bool:
    """Update one row if the condition is true. Return whether the row was updated.

    After an update, `row` has the attributes that the table has.
    """
    return _is_accepted(lambda: row.update(actions=list(actions), condition=condition))


def update_without_reading(
    row: Row, actions: Sequence[Action], condition: Condition | None = None
) -> bool:
    """Update one row if the condition is true. Return whether the row was updated.

    `row` stays as it is: the response has no attributes. So a policy can limit the attributes of
    the request, which PynamoDB's own update does not allow: it always returns the whole row.
    """
    connection = row._get_connection()  # noqa: SLF001 (PynamoDB has no public way)
    return _is_accepted(
        lambda: connection.update_item(
            row.pk, range_key=row.sk, actions=list(actions), condition=condition
        )
    )


def _is_accepted(send_update: Callable[[], object]) -> bool:
    """Send an update with retries. Return False if its condition was false."""

    def send() -> bool:
        try:
            send_update()
        except UpdateError as error:
            if _code_of(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    return _with_retries(send)


def _with_retries[Result](send: Callable[[], Result]) -> Result:
    """Call `send`, and retry conflicts and throttling: at most 6 tries in about 2 seconds.

    The pauses have full jitter. After the last try, the error of PynamoDB is raised. botocore and
    PynamoDB do not retry conflicts: https://github.com/pynamodb/PynamoDB/issues/1264
    """
    give_up_at = time.monotonic() + _TRYING_SECONDS_MAX
    for attempt in range(1, _TRIES_MAX):
        try:
            return send()
        except (TransactWriteError, UpdateError) as error:
            if _code_of(error) not in TRANSIENT_CODES or time.monotonic() > give_up_at:
                raise
        time.sleep(random.uniform(0, _BACKOFF_SECONDS * 2**attempt))  # noqa: S311 (jitter)
    return send()


def _send(writes: Sequence[Write]) -> None:
    with TransactWrite(connection=_connection()) as transaction:
        for write in writes:
            match write:
                case Delete(row, condition):
                    transaction.delete(row, condition=condition)
                case Put(row, condition):
                    transaction.save(row, condition=condition, return_values=ALL_OLD)
                case Update(row, actions, condition):
                    transaction.update(
                        row, actions=list(actions), condition=condition, return_values=ALL_OLD
                    )


def _code_of(error: TransactWriteError | UpdateError) -> str | None:
    """Return the error code of DynamoDB, or None if there was no response.

    PynamoDB's own property fails if there was no response.
    """
    return error.cause.response["Error"]["Code"] if isinstance(error.cause, ClientError) else None


@cache
def _connection() -> Connection:
    return share_client(Connection())
