"""A table in a storm: writes meet other transactions, are throttled, or lose their answers, by a seed."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError
from pynamodb.exceptions import PynamoDBException

from darkroom.storage import transactions
from tests.integration.broken_aws import AwsError

LOST_ANSWERS = ("InternalServerError", "TransactionInProgressException", "ReadTimeout")
_WRITES = {"TransactWriteItems", "UpdateItem", "PutItem", "DeleteItem"}
_CALLS_MAX = 50


@dataclass
class Storm:
    """Which share of the writes meets error, and of that which share is carried out before its answer is lost.

    `waits` has how many seconds each pause between two tries would have been; it costs none.
    """

    luck: random.Random
    share: float = 0
    lost_share: float = 0.5
    lost_answers: tuple[str, ...] = LOST_ANSWERS
    seen: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    def surely[Answer](self, verb: Callable[[], Answer]) -> Answer:
        """Call a verb until it answers, as a client, a retry of the workflow or the next recovery does."""
        for _ in range(_CALLS_MAX):
            try:
                return verb()
            except PynamoDBException:
                self.seen["called again"] += 1
        pytest.fail(f"no answer after {_CALLS_MAX} calls")

    def write(self, call: Callable[[], Any], operation: str, arguments: Any) -> Any:
        """Carry a write out, unless the storm has it."""
        self.seen["writes"] += 1
        if self.luck.random() >= self.share:
            return call()
        if self.luck.random() >= self.lost_share:
            self.seen["turned away"] += 1
            raise self._turned_away(operation, len(arguments.get("TransactItems", ()))).error(
                operation
            )
        self.seen["answers lost"] += 1
        try:
            call()
        except ClientError:
            self.seen["refusals lost"] += 1
        code = self.luck.choice(self.lost_answers)
        raise (
            ReadTimeoutError(endpoint_url="dynamodb")
            if code == "ReadTimeout"
            else AwsError(code).error(operation)
        )

    def _turned_away(self, operation: str, items_count: int) -> AwsError:
        if operation != "TransactWriteItems":
            return AwsError(
                self.luck.choice(
                    [
                        "TransactionConflictException",
                        "ThrottlingException",
                        "ProvisionedThroughputExceededException",
                    ]
                )
            )
        # A condition that failed beside a conflict has decided nothing.
        reasons = [self.luck.choice(["None", "ConditionalCheckFailed"]) for _ in range(items_count)]
        reasons[self.luck.randrange(items_count)] = self.luck.choice(
            ["TransactionConflict", "ThrottlingError"]
        )
        return AwsError("TransactionCanceledException", reasons)


@contextmanager
def storm_over(monkeypatch: pytest.MonkeyPatch, seed: str) -> Iterator[Storm]:
    """Send every write to DynamoDB through a storm, which is a calm until its share is raised."""
    storm = Storm(random.Random(seed))
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def stormy_call(client: Any, operation: str, arguments: Any) -> Any:
        if operation not in _WRITES:
            return call(client, operation, arguments)
        return storm.write(lambda: call(client, operation, arguments), operation, arguments)

    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", stormy_call)
        patched.setattr(
            transactions,
            "time",
            SimpleNamespace(sleep=storm.waits.append, monotonic=time.monotonic),
        )
        yield storm
