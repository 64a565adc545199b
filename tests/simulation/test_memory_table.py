"""Compares the table in memory with moto's.

The same writes in the same order must leave the same items and get the same refusals.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import ClientError
from pynamodb.exceptions import DeleteError, UpdateError
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from darkroom.storage.job_parts import AttemptMap
from darkroom.storage.job_rows import JobRow
from darkroom.storage.queue_rows import SlotRow
from darkroom.storage.transactions import Delete, Put, Refused, Update, Write, transact, update
from tests.aws import client
from tests.simulation.event_queue import START_TIME
from tests.simulation.memory_table import MemoryTable, TableError

STEPS = 150
# moto cannot evaluate size() of a missing item. Conditions with size() therefore use lasting rows.
_LASTING, _TRANSIENT = range(3), range(3, 5)
_PARTITIONS = ("ACCOUNT#web#ann", "ACCOUNT#web#bob")
_INDEXES = {"next-check": ("check_queue", "next_check_at")}


@pytest.fixture
def paired_table(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryTable]:
    """A table in memory beside moto's. Each call goes to both and must have the same response."""
    table = MemoryTable(os.environ["TABLE_NAME"], _INDEXES)
    real = vars(botocore.client.BaseClient)["_make_api_call"]

    def both(self: Any, operation: str, request: Any) -> Any:
        expected = _outcome_of(lambda: real(self, operation, request))
        actual = _outcome_of(lambda: table.call(operation, request))
        assert actual == expected, f"{operation} {request}"
        return _replayed(expected)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", both)
    yield table
    monkeypatch.undo()
    moto_items = {
        (item["pk"]["S"], item["sk"]["S"]): item
        for item in client("dynamodb").scan(TableName=os.environ["TABLE_NAME"])["Items"]
    }
    assert table.items == moto_items


@pytest.mark.parametrize("seed", range(2))
def test_the_memory_table_behaves_like_motos_table(paired_table: MemoryTable, seed: int) -> None:
    rng = Random(seed)
    for partition, number in product(_PARTITIONS, _LASTING):
        transact(
            {
                "job": Put(
                    _filled(JobRow(partition, f"JOB#{number}"), rng), JobRow.pk.does_not_exist()
                )
            }
        )

    outcomes = {_step(rng) for _ in range(STEPS)}

    assert outcomes == {"written", "refused"}
    assert paired_table.items


def _step(rng: Random) -> str:
    action = rng.choice((_update, _update, _update, _transaction, _transaction, _delete, _query))
    try:
        return "written" if action(rng) else "refused"
    except (Refused, DeleteError):
        return "refused"


def _row(rng: Random, numbers: range = _LASTING) -> JobRow:
    return JobRow(rng.choice(_PARTITIONS), f"JOB#{rng.choice(numbers)}")


def _filled(row: JobRow, rng: Random) -> JobRow:
    values = {
        "status": rng.choice(("pending", "processing", "completed")),
        "template_code": "t",
        "template_version": 1,
        "template_name": "T",
        "category": "image",
        "provider": "p",
        "model": "m",
        "parameters": {"a": [1, None, {"b": "c"}]},
        "input": {},
        "outputs_count": rng.randrange(1, 5),
        "quoted": rng.randrange(50),
        "wait_seconds": 15,
        "created_at": START_TIME,
        "deadline_at": START_TIME,
        "next_check_at": START_TIME.replace(second=rng.randrange(60)),
        "check_queue": rng.choice(("open", "ended", None)),
    }
    for name, value in values.items():
        setattr(row, name, value)
    return row


def _attempt(rng: Random) -> AttemptMap:
    return AttemptMap(
        number=rng.randrange(9),
        nonce="n",
        state_entry="e",
        requested_at=START_TIME,
        lease_until=START_TIME,
    )  # type: ignore[no-untyped-call]


def _condition(rng: Random, *, sizes: bool = True) -> Condition:
    attempt: Any = JobRow.attempts[rng.randrange(2)]
    plain: list[Condition] = [
        JobRow.pk.exists(),
        JobRow.pk.does_not_exist(),
        JobRow.check_queue.exists(),
        JobRow.check_queue.startswith("open"),
        JobRow.quoted >= rng.randrange(50),
        JobRow.status.is_in("pending", "processing"),
        JobRow.status == "pending",
        JobRow.quoted.between(10, 30),
        JobRow.next_check_at <= START_TIME,
        attempt.requests_count == 1,
        attempt.prediction_id.does_not_exist(),
        JobRow.slot == "000",
        JobRow.slot < "001",
        JobRow.status != "pending",
    ]
    if sizes:
        plain += [size(JobRow.attempts) == rng.randrange(3), size(JobRow.attempts) > 0]
    first, second = rng.sample(plain, 2)
    return rng.choice(
        (
            first,
            first,
            ~first,
            first & second,
            first | second,
            first & ~second,
            (first | second) & ~first,
        )
    )


def _actions(rng: Random) -> list[Action]:
    attempt: Any = JobRow.attempts[0]
    plain: list[Action] = [
        JobRow.quoted.add(rng.randrange(-5, 6)),
        JobRow.slot.set("000"),
        JobRow.slot.remove(),
        JobRow.task_token.set(JobRow.task_token | "first"),
        JobRow.attempts.set(JobRow.attempts.append([_attempt(rng)])),
        attempt.prediction_id.set("p"),
        attempt.requests_count.set(rng.randrange(3)),
        JobRow.check_queue.set("ended"),
        JobRow.check_queue.remove(),
        JobRow.next_check_at.set(START_TIME.replace(minute=rng.randrange(60))),
        JobRow.revision.add(1),
        JobRow.metadata.set({"x": rng.random()}),
        JobRow.held.set(JobRow.quoted - 1),
    ]
    chosen = {str(action.values[0]): action for action in rng.sample(plain, rng.randrange(1, 5))}
    names = {name.partition("[")[0] for name in chosen}
    return list(chosen.values()) if len(names) == len(chosen) else [JobRow.revision.add(1)]


def _update(rng: Random) -> bool:
    try:
        return update(_row(rng), _actions(rng), _condition(rng))
    except UpdateError:
        # The path leads into an attempt that does not exist.
        return False


def _transaction(rng: Random) -> bool:
    slot = SlotRow("SLOT#p", f"{rng.randrange(3):03}", holder="h", taken_at=START_TIME)
    writes: dict[str, Write] = {
        "passing": Put(_filled(_row(rng, _TRANSIENT), rng), JobRow.pk.does_not_exist())
    }
    if rng.random() < 0.5:
        writes["slot"] = (
            Put(slot, SlotRow.pk.does_not_exist())
            if rng.random() < 0.6
            else Delete(slot, SlotRow.holder == "h")
        )
    if rng.random() < 0.7:
        writes["lasting"] = Update(
            _row(rng), [JobRow.revision.add(1), JobRow.slot.set("001")], _condition(rng)
        )
    transact(writes)
    return True


def _delete(rng: Random) -> bool:
    _row(rng, _TRANSIENT).delete(condition=_condition(rng, sizes=False))
    return True


def _query(rng: Random) -> bool:
    if rng.random() < 0.5:
        list(
            JobRow.next_check.query(
                rng.choice(("open", "ended")),
                JobRow.next_check_at <= START_TIME.replace(minute=30),
                limit=rng.randrange(1, 5),
            )
        )
    else:
        only = _condition(rng) if rng.random() < 0.5 else None
        forward = rng.random() < 0.5
        list(
            JobRow.query(
                rng.choice(_PARTITIONS),
                JobRow.sk.startswith("JOB#"),
                filter_condition=only,
                scan_index_forward=forward,
                page_size=2,
            )
        )
    return True


type Outcome = tuple[str, Any]


def _outcome_of(call: Any) -> Outcome:
    """Return the parts of a response or refusal that must be equal in both tables."""
    try:
        response = call()
    except ClientError as error:
        reasons: Any = error.response.get("CancellationReasons", [])
        return error.response["Error"]["Code"], [
            (reason.get("Code"), reason.get("Item")) for reason in reasons
        ]
    except TableError as error:
        return error.code, [
            (reason["Code"], reason.get("Item"))
            for reason in error.members.get("CancellationReasons", [])
        ]
    return "", {
        name: response[name]
        for name in ("Item", "Items", "Attributes", "Count", "ScannedCount", "LastEvaluatedKey")
        if name in response
    }


def _replayed(outcome: Outcome) -> Any:
    code, response = outcome
    if not code:
        return response
    reasons = [{"Code": reason, **({"Item": item} if item else {})} for reason, item in response]
    refusal: Any = {"Error": {"Code": code, "Message": code}, "CancellationReasons": reasons}
    raise ClientError(refusal, "any")
