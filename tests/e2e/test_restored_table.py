"""A stack adopts a restored copy of the table by the parameter TableName."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from local.stack import LocalStack
from tests.e2e.actors import COUNTERS, Actor

# DescribeTable also returns the state of each part. CreateTable does not accept it.
_OF_INDEXES = ("IndexName", "KeySchema", "Projection")


@pytest.fixture
def copy(actor: Actor, stack: LocalStack) -> dict[str, Any]:
    """Restore the table under another name, and return the copy and the user of a job in it."""
    actor.ended(actor.submit(prompt="before the restore"))
    dynamodb = stack.client("dynamodb")
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=stack.physical_id("Table"),
        TargetTableName="restored",
        UseLatestRestorableTime=True,
    )
    table = dynamodb.describe_table(TableName="restored")["Table"]
    pages = dynamodb.get_paginator("scan").paginate(TableName="restored")
    items = [item for page in pages for item in page["Items"]]
    dynamodb.delete_table(TableName="restored")
    return {
        "user": actor.name,
        "table": {name: table[name] for name in ("TableName", "AttributeDefinitions", "KeySchema")}
        | {
            "GlobalSecondaryIndexes": [
                {name: index[name] for name in _OF_INDEXES}
                for index in table["GlobalSecondaryIndexes"]
            ]
        },
        "items": items,
    }


def test_a_stack_runs_on_a_restored_table(actor: Actor, copy: dict[str, Any]) -> None:
    account, jobs = actor.client.get("/credits"), actor.client.get("/jobs")["jobs"]

    ran = subprocess.run(
        [sys.executable, "-m", "tests.e2e.restored_stack"],
        input=json.dumps(copy),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    assert (seen["tables"], seen["credits"]) == (["restored"], account)
    assert [job["id"] for job in seen["jobs"]] == [job["id"] for job in jobs] != []
    assert seen["jobs"][0]["status"] == seen["new job"] == "completed"
    assert {name: seen["credits after the new job"][name] for name in COUNTERS} == {
        "granted": 200,
        "available": 180,
        "held": 0,
        "spent": 20,
    }
    assert seen["recovery failed"] is False
