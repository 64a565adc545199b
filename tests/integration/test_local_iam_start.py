"""The local stack does not start with policies that it cannot evaluate or that are missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from local.iam.conditions import UnsupportedPolicy
from local.iam.targets import MissingPermission
from local.stack import LocalStack

APPLICATION = Path(__file__).parent / "local_application"
WRITE = "Action: dynamodb:PutItem, Resource: !GetAtt Table.Arn"


def changed_application(directory: Path, before: str, after: str) -> Path:
    """Copy the small application and change its template."""
    copied = Path(shutil.copytree(APPLICATION, directory / "application"))
    template = (copied / "template.yaml").read_text()
    assert before in template
    (copied / "template.yaml").write_text(template.replace(before, after))
    return copied


@pytest.mark.parametrize(
    ("condition", "cause"),
    [
        ('{NumericLessThan: {"s3:max-keys": 10}}', "the condition operator NumericLessThan"),
        ('{StringEquals: {"aws:username": ann}}', "the condition key aws:username"),
    ],
)
def test_does_not_start_with_a_condition_that_it_cannot_evaluate(
    tmp_path: Path, condition: str, cause: str
) -> None:
    build = changed_application(tmp_path, WRITE, f"{WRITE}, Condition: {condition}")

    with pytest.raises(UnsupportedPolicy, match=cause) as refused:
        LocalStack(build, runtime_dir=tmp_path / "runtime", log_dir=tmp_path / "logs")

    assert "of WorkerFunctionRole, statement number 0" in str(refused.value)


def test_does_not_start_if_a_rule_may_not_reach_its_queue(tmp_path: Path) -> None:
    build = changed_application(
        tmp_path, "Principal: {Service: events.amazonaws.com}", "Principal: {Service: sns.aws}"
    )

    with pytest.raises(MissingPermission, match="Rule may not reach arn:aws:sqs:"):
        LocalStack(build, runtime_dir=tmp_path / "runtime", log_dir=tmp_path / "logs")


def test_a_function_without_its_statement_fails(tmp_path: Path) -> None:
    build = changed_application(
        tmp_path, WRITE, "Action: dynamodb:GetItem, Resource: !GetAtt Table.Arn"
    )
    runtime = tmp_path / "runtime"
    with LocalStack(build, runtime_dir=runtime, log_dir=tmp_path / "logs") as stack:
        response = stack.fire_schedule("WorkerFunction")
        table = stack.physical_id("Table")

        assert response.failed
        assert b"HTTP Error 400" in response.payload
        assert stack.client("dynamodb").scan(TableName=table)["Items"] == []
