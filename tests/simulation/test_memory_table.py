"""The table in memory answers as moto's does: the same writes in the same order leave the same items and meet the same refusals."""

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

from darkroom.storage.job_rows import AttemptMap, JobRow
from darkroom.storage.table import SlotRow
from darkroom.storage.transactions import Delete, Put, Refused, Update, Write, transact, update
from tests.aws import client
from tests.simulation.event_queue import BEGINNING
from tests.simulation.memory_table import MemoryTable, TableError

STEPS = 150
# moto cannot tell the size of what is not there, so some rows always are, and others come and go.
_LASTING, _TRANSIENT = range(3), range(3, 5)
_PARTITIONS = ("ACCOUNT#web#ann", "ACCOUNT#web#bob")
_INDEXES = {"next-check": ("check_queue", "next_check_at")}


@pytest.fixture
def twins(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryTable]:
    """Two tables, moto's and the one in memory: each call goes to both, and what they answer must be the same."""
    table = MemoryTable(os.environ["TABLE_NAME"], _INDEXES)
    real = vars(botocore.client.BaseClient)["_make_api_call"]

    def both(self: Any, operation: str, request: Any) -> Any:
        wanted = _answer(lambda: real(self, operation, request))
        found = _answer(lambda: table.call(operation, request))
        assert found == wanted, f"{operation} {request}"
        return _replayed(wanted)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", both)
    yield table
    monkeypatch.undo()
    there = {
        (item["pk"]["S"], item["sk"]["S"]): item
        for item in client("dynamodb").scan(TableName=os.environ["TABLE_NAME"])["Items"]
    }
    assert table.items == there


@pytest.mark.parametrize("seed", range(2))
def test_the_table_in_memory_is_like_motos(twins: MemoryTable, seed: int) -> None:
    draw = Random(seed)
    for partition, number in product(_PARTITIONS, _LASTING):
        transact(
            {
                "job": Put(
                    _filled(JobRow(partition, f"JOB#{number}"), draw), JobRow.pk.does_not_exist()
                )
            }
        )

    outcomes = {_step(draw) for _ in range(STEPS)}

    assert outcomes == {"written", "refused"}
    assert twins.items


def _step(draw: Random) -> str:
    act = draw.choice((_update, _update, _update, _transaction, _transaction, _delete, _query))
    try:
        return "written" if act(draw) else "refused"
    except (Refused, DeleteError):
        return "refused"


def _row(draw: Random, numbers: range = _LASTING) -> JobRow:
    return JobRow(draw.choice(_PARTITIONS), f"JOB#{draw.choice(numbers)}")


def _filled(row: JobRow, draw: Random) -> JobRow:
    values = {
        "status": draw.choice(("pending", "processing", "completed")),
        "template_code": "t", "template_version": 1, "template_name": "T", "category": "image", "provider": "p", "model": "m",
        "parameters": {"a": [1, None, {"b": "c"}]}, "input": {}, "outputs_count": draw.randrange(1, 5), "quoted": draw.randrange(50),
        "wait_seconds": 15, "created_at": BEGINNING, "deadline_at": BEGINNING, "next_check_at": BEGINNING.replace(second=draw.randrange(60)),
        "check_queue": draw.choice(("open", "ended", None)),
    }  # fmt: skip
    for name, value in values.items():
        setattr(row, name, value)
    return row


def _attempt(draw: Random) -> AttemptMap:
    return AttemptMap(
        number=draw.randrange(9),
        nonce="n",
        state_entry="e",
        requested_at=BEGINNING,
        lease_until=BEGINNING,
    )  # type: ignore[no-untyped-call]


def _condition(draw: Random, *, sizes: bool = True) -> Condition:
    attempt: Any = JobRow.attempts[draw.randrange(2)]
    plain: list[Condition] = [
        JobRow.pk.exists(), JobRow.pk.does_not_exist(), JobRow.check_queue.exists(), JobRow.check_queue.startswith("open"), JobRow.quoted >= draw.randrange(50),
        JobRow.status.is_in("pending", "processing"), JobRow.status == "pending", JobRow.quoted.between(10, 30), JobRow.next_check_at <= BEGINNING,
        attempt.requests_count == 1, attempt.prediction_id.does_not_exist(),
        JobRow.slot == "000", JobRow.slot < "001", JobRow.status != "pending",
    ]  # fmt: skip
    if sizes:
        plain += [size(JobRow.attempts) == draw.randrange(3), size(JobRow.attempts) > 0]
    first, second = draw.sample(plain, 2)
    return draw.choice(
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


def _actions(draw: Random) -> list[Action]:
    attempt: Any = JobRow.attempts[0]
    plain: list[Action] = [
        JobRow.quoted.add(draw.randrange(-5, 6)), JobRow.slot.set("000"), JobRow.slot.remove(), JobRow.task_token.set(JobRow.task_token | "first"),
        JobRow.attempts.set(JobRow.attempts.append([_attempt(draw)])), attempt.prediction_id.set("p"), attempt.requests_count.set(draw.randrange(3)),
        JobRow.check_queue.set("ended"), JobRow.check_queue.remove(),
        JobRow.next_check_at.set(BEGINNING.replace(minute=draw.randrange(60))), JobRow.revision.add(1),
        JobRow.metadata.set({"x": draw.random()}), JobRow.held.set(JobRow.quoted - 1),
    ]  # fmt: skip
    chosen = {str(action.values[0]): action for action in draw.sample(plain, draw.randrange(1, 5))}
    names = {name.partition("[")[0] for name in chosen}
    return list(chosen.values()) if len(names) == len(chosen) else [JobRow.revision.add(1)]


def _update(draw: Random) -> bool:
    try:
        return update(_row(draw), _actions(draw), _condition(draw))
    except UpdateError:
        # A path into an attempt that is not there.
        return False


def _transaction(draw: Random) -> bool:
    slot = SlotRow("SLOT#p", f"{draw.randrange(3):03}", holder="h", taken_at=BEGINNING)
    writes: dict[str, Write] = {
        "passing": Put(_filled(_row(draw, _TRANSIENT), draw), JobRow.pk.does_not_exist())
    }
    if draw.random() < 0.5:
        writes["slot"] = (
            Put(slot, SlotRow.pk.does_not_exist())
            if draw.random() < 0.6
            else Delete(slot, SlotRow.holder == "h")
        )
    if draw.random() < 0.7:
        writes["lasting"] = Update(
            _row(draw), [JobRow.revision.add(1), JobRow.slot.set("001")], _condition(draw)
        )
    transact(writes)
    return True


def _delete(draw: Random) -> bool:
    _row(draw, _TRANSIENT).delete(condition=_condition(draw, sizes=False))
    return True


def _query(draw: Random) -> bool:
    if draw.random() < 0.5:
        list(
            JobRow.next_check.query(
                draw.choice(("open", "ended")),
                JobRow.next_check_at <= BEGINNING.replace(minute=30),
                limit=draw.randrange(1, 5),
            )
        )
    else:
        only = _condition(draw) if draw.random() < 0.5 else None
        forward = draw.random() < 0.5
        list(
            JobRow.query(
                draw.choice(_PARTITIONS),
                JobRow.sk.startswith("JOB#"),
                filter_condition=only,
                scan_index_forward=forward,
                page_size=2,
            )
        )
    return True


type Outcome = tuple[str, Any]


def _answer(call: Any) -> Outcome:
    """Give what both tables must agree on of an answer or a refusal."""
    try:
        answer = call()
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
        name: answer[name]
        for name in ("Item", "Items", "Attributes", "Count", "ScannedCount", "LastEvaluatedKey")
        if name in answer
    }


def _replayed(outcome: Outcome) -> Any:
    code, answer = outcome
    if not code:
        return answer
    reasons = [{"Code": reason, **({"Item": item} if item else {})} for reason, item in answer]
    refusal: Any = {"Error": {"Code": code, "Message": code}, "CancellationReasons": reasons}
    raise ClientError(refusal, "any")
