"""The walk-throughs of docs/operations.md: each incident is caused, and the page ends it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.cloudformation.account import (
    ACCESS_KEY_ID,
    ACCOUNT_ID,
    REGION,
    SECRET_ACCESS_KEY,
)
from local.stack import LocalStack
from tests.builders import until
from tests.e2e.actors import Actor, set_faults
from tests.e2e.operator import PREPARATION, Operator, operator_of
from tests.e2e.runbook_sections import HARMLESS, WALKED
from tests.integration.servers import Received, Reply, server
from tests.unit.runbook import section as section_named
from tests.unit.runbook import sections

type Item = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def operator(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        with operator_of(stack, tmp_path_factory.mktemp("programs")) as running:
            yield running


@pytest.fixture(scope="module")
def owner(stack: LocalStack) -> tuple[Actor, str]:
    """A user with one completed job, and the job's id."""
    actor = Actor.arrive(stack, "owner", credits=200)
    job_id = actor.submit()
    assert actor.ended(job_id)["status"] == "completed"
    return actor, job_id


@pytest.fixture(autouse=True)
def fast_predictions(stack: LocalStack) -> None:
    set_faults(stack, queue_seconds=0, run_seconds=0)


def table_of(stack: LocalStack) -> str:
    return stack.physical_id("Table")


def update(stack: LocalStack, pk: str, sk: str, expression: str, **values: Any) -> None:
    stack.client("dynamodb").update_item(
        TableName=table_of(stack),
        Key={"pk": {"S": pk}, "sk": {"S": sk}},
        UpdateExpression=expression,
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
    )


def item(stack: LocalStack, pk: str, sk: str) -> Item:
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    found: Item = stack.client("dynamodb").get_item(TableName=table_of(stack), Key=key)["Item"]
    return found


def partition(actor: Actor) -> str:
    return f"ACCOUNT#web#{actor.name}"


def test_every_section_that_was_tried_is_run_here() -> None:
    tried = {section.title for section in sections() if section.local_blocks}

    assert tried == {*HARMLESS, *WALKED}


def test_the_commands_that_only_look_succeed(operator: Operator) -> None:
    walked = {
        block for section in sections() if section.title in WALKED for block in section.local_blocks
    }
    others = [
        block
        for section in sections()
        for block in section.local_blocks
        if block not in walked and section.title != "Set the variables"
    ]

    operator.run_script("\n".join(dict.fromkeys(others)))

    assert len(others) > 2
    (preparation,) = section_named("Set the variables").local_blocks
    assert preparation == f'eval "$({PREPARATION})"\n'


def test_a_job_and_the_entries_of_its_account_are_read(
    operator: Operator, owner: tuple[Actor, str]
) -> None:
    actor, job_id = owner

    printed = operator.run("Read one job", JOB=job_id, USER_SUB=actor.name)

    assert '"status": "completed"' in printed
    assert '"held": "0"' in printed
    assert "StoreOutput" in printed
    assert f"settle\t0\t-10\t10\t{job_id}" in printed


def test_the_counters_of_an_account_are_read(operator: Operator, actor: Actor) -> None:
    actor.client.post(
        "/templates/flux-schnell/quote", {"parameters": {"prompt": "a lighthouse at dawn"}}
    )

    printed = operator.run("Account at its limits", USER_SUB=actor.name)

    assert re.search(r"quotes#\S+\s+1", printed)


def test_a_job_of_any_account_is_found_by_its_id(
    stack: LocalStack, operator: Operator, owner: tuple[Actor, str]
) -> None:
    actor, job_id = owner
    open_job = actor.submit()

    printed = operator.run(
        "Find a job by its id", JOB=job_id, ADMIN=stack.token("grace", groups=["admin"])
    )

    assert f'"user": "{actor.name}"' in printed
    assert f"{open_job} {{'platform': 'web', 'user': '{actor.name}'}}" in printed
    actor.client.post(f"/jobs/{open_job}/cancel", {})


def test_an_account_is_suspended_and_resumed(
    stack: LocalStack, operator: Operator, actor: Actor
) -> None:
    variables = {"ADMIN": stack.token("grace", groups=["admin"]), "USER_SUB": actor.name}
    body = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse"}}

    operator.run("Suspend an account", 0, **variables)

    refused = actor.refused("POST", "/jobs", json=body)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/suspended")
    printed = operator.run("Suspend an account", 1, 2, **variables)
    assert '"reason": "flood"' not in printed
    assert f'"user": "{actor.name}"' in printed
    actor.client.post(f"/jobs/{actor.submit()}/cancel", {})


def test_new_jobs_are_paused_and_then_continue(operator: Operator, actor: Actor) -> None:
    operator.run("Pause new jobs", 0)
    body = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse"}}

    refused = actor.refused("POST", "/jobs", json=body)

    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/paused")
    operator.run("Pause new jobs", 1)
    actor.client.post(f"/jobs/{actor.submit()}/cancel", {})


def test_a_pause_by_the_daily_ceiling_is_ended(operator: Operator, stack: LocalStack) -> None:
    update(
        stack,
        "SLOT#replicate",
        "state",
        "SET paused_until = :until, pause_reason = :reason",
        until={"S": "2099-01-01T00:00:00.000000+0000"},
        reason={"S": "spend"},
    )

    operator.run("Spend ceiling reached")

    assert "paused_until" not in item(stack, "SLOT#replicate", "state")


def test_a_refused_token_is_replaced(operator: Operator, stack: LocalStack, actor: Actor) -> None:
    """Killed execution environments forget the secrets, as running ones do after minutes."""
    secret, secrets = stack.physical_id("ReplicateTokenSecret"), stack.client("secretsmanager")
    secrets.put_secret_value(SecretId=secret, SecretString="revoked")
    stack.kill_execution_environments("RequestPredictionFunction")
    waiting = actor.submit()
    until(lambda: actor.client.get(f"/jobs/{waiting}")["waiting_since"])

    assert operator.run("Provider account refused", 0) == "401\n"
    operator.run("Provider account refused", 1)

    assert operator.run("Provider account refused", 0) == "200\n"
    stack.kill_execution_environments("RequestPredictionFunction")
    operator.run("Providers paused", 1)
    assert actor.ended(actor.submit())["status"] == "completed"


def test_a_wrong_webhook_secret_is_replaced(
    operator: Operator, stack: LocalStack, actor: Actor
) -> None:
    secret, secrets = stack.physical_id("ReplicateWebhookSecret"), stack.client("secretsmanager")
    for value in ("whsec_AAAAAAAAAAAAAAAAAAAAAAAA", "whsec_BBBBBBBBBBBBBBBBBBBBBBBB"):
        secrets.put_secret_value(SecretId=secret, SecretString=value)
    stack.kill_execution_environments("ReceivePredictionFunction")
    before = len(webhook_tries(stack))
    actor.submit()
    until(lambda: 401 in [each["status_code"] for each in webhook_tries(stack)[before:]])

    operator.run("Webhooks rejected")

    stack.kill_execution_environments("ReceivePredictionFunction")
    before = len(webhook_tries(stack))
    assert actor.ended(actor.submit())["status"] == "completed"
    # The job can end before the provider records the response to its webhook.
    until(lambda: 200 in [each["status_code"] for each in webhook_tries(stack)[before:]])


def webhook_tries(stack: LocalStack) -> list[dict[str, Any]]:
    found = requests.get(f"{stack.replicate_url}/sim/webhooks", timeout=10).json()
    webhooks: list[dict[str, Any]] = found["webhooks"]
    return webhooks


def test_dead_letters_are_read_and_moved_back(
    operator: Operator, stack: LocalStack, actor: Actor
) -> None:
    sqs, queue = stack.client("sqs"), stack.physical_id("CallbackQueue")
    status, received = [500], list[Received]()

    def respond(request: Received) -> Reply:
        received.append(request)
        return Reply(status[0])

    with server(respond) as url, one_try(sqs, queue):
        job_id = actor.submit(callback_url=f"{url}/callback")
        actor.ended(job_id)
        until(lambda: job_id in operator.run("Callback dead letters", 0), seconds=60)
        tries = len(received)
        status[0] = 204

        operator.run("Callback dead letters", 1)

        until(lambda: len(received) > tries)
    assert len({each.headers["webhook-id"] for each in received}) == 1
    operator.run("Callback dead letters", 2)


@contextmanager
def one_try(sqs: Any, queue: str) -> Iterator[None]:
    """Give each callback one try. On AWS, five tries take 13 minutes."""
    names = ["RedrivePolicy", "VisibilityTimeout"]
    before = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    policy = json.dumps(json.loads(before["RedrivePolicy"]) | {"maxReceiveCount": 1})
    changed = {"RedrivePolicy": policy, "VisibilityTimeout": "1"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=changed)
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=before)


def test_a_ledger_mismatch_is_repaired(
    operator: Operator, stack: LocalStack, owner: tuple[Actor, str]
) -> None:
    actor, _ = owner
    pk = partition(actor)
    correct = item(stack, pk, "ACCOUNT")
    wrong = {"held": {"N": "7"}, "many": {"N": "20"}}
    update(stack, pk, "ACCOUNT", "SET held = :held, in_flight = :many", **wrong)

    printed = operator.run("Ledger mismatch", 0, 1)
    assert f"web/{actor.name}: held by the entries: expected 0, found 7" in printed
    assert f"web/{actor.name}: held: 7 becomes 0" in printed
    assert f"web/{actor.name}: in_flight: 20 becomes 0" in printed
    operator.run("Ledger mismatch", 2)

    repaired = item(stack, pk, "ACCOUNT")
    for name in ("granted", "available", "held", "spent", "in_flight", "jobs_total"):
        assert repaired[name] == correct[name]
    actor.must_have_a_balanced_ledger()
    operator.run("Ledger mismatch", 4)


def test_a_wrong_number_of_available_credits_is_named_and_corrected_by_hand(
    operator: Operator, stack: LocalStack, owner: tuple[Actor, str]
) -> None:
    actor, _ = owner
    pk = partition(actor)
    available = int(item(stack, pk, "ACCOUNT")["available"]["N"])
    update(stack, pk, "ACCOUNT", "ADD available :one", one={"N": "1"})
    revision = item(stack, pk, "ACCOUNT")["revision"]["N"]

    printed = operator.run("Ledger mismatch", 2)

    assert f"available by the entries: expected {available}, found {available + 1}" in printed
    numbers = {"WRONG": str(available + 1), "CORRECT": str(available)}
    operator.run("Ledger mismatch", 3, PK=pk, REVISION=revision, **numbers)
    actor.must_have_a_balanced_ledger()


def test_a_stuck_job_is_ended(operator: Operator, stack: LocalStack, actor: Actor) -> None:
    set_faults(stack, run_seconds=600)
    job_id = actor.submit()
    actor.until_processing(job_id)
    execution = f"{stack.physical_id('Workflow').replace(':stateMachine:', ':execution:')}:{job_id}"
    key = f'{{"pk": {{"S": "{partition(actor)}"}}, "sk": {{"S": "JOB#{job_id}"}}}}'

    operator.run("Stuck job", 0, EXECUTION=execution, KEY=key)
    backend = stepfunctions_parser_backends[ACCOUNT_ID][REGION]
    (stopped,) = [each for each in backend._get_executions() if each.exec_arn == execution]
    # moto stops a waiting execution seconds later, and recovery waits for 150 seconds after that.
    stopped.exec_status = ExecutionStatus.ABORTED
    stopped.stop_date = datetime.now(UTC) - timedelta(minutes=5)
    operator.run("Stuck job", 1, EXECUTION=execution, KEY=key)
    operator.run("Recovery failed")

    assert actor.client.get(f"/jobs/{job_id}")["credits"]["refunded"] == 10
    actor.must_have_a_balanced_ledger()


def test_leaked_slots_are_released(
    operator: Operator, stack: LocalStack, owner: tuple[Actor, str]
) -> None:
    actor, job_id = owner
    taken_at = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
    slot = {"pk": "SLOT#replicate", "sk": "004", "taken_at": taken_at}
    slot["holder"] = f"web/{actor.name}/{job_id}"
    stack.client("dynamodb").put_item(
        TableName=table_of(stack), Item={name: {"S": value} for name, value in slot.items()}
    )

    assert job_id in operator.run("Slots leaked", 0)
    operator.run("Slots leaked", 1)

    assert job_id not in operator.run("Slots leaked", 0)


def test_a_flood_is_found_and_stopped(operator: Operator, stack: LocalStack, actor: Actor) -> None:
    set_faults(stack, run_seconds=600)
    jobs = [actor.submit() for _ in range(3)]

    count, account = operator.run("Flood by one account", 0).splitlines()[0].split()
    assert (int(count), account) == (3, partition(actor))
    operator.run(
        "Flood by one account",
        1,
        ADMIN=stack.token("grace", groups=["admin"]),
        USER_SUB=actor.name,
        AMOUNT="170",
        REFERENCE=f"flood-{actor.name}",
    )

    body = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse"}}
    assert actor.refused("POST", "/jobs", json=body).status_code == 402
    for job_id in jobs:
        actor.client.post(f"/jobs/{job_id}/cancel", {})


def test_the_counters_of_an_account_are_found(operator: Operator, actor: Actor) -> None:
    actor.client.post("/uploads", {"content_type": "image/png", "bytes": 70})

    printed = operator.run("Account at its limits", USER_SUB=actor.name).splitlines()

    assert sorted(line.split()[1] for line in printed) == ["1", "70"]


def test_a_copy_of_the_table_is_restored_and_audited(
    operator: Operator, stack: LocalStack, owner: tuple[Actor, str]
) -> None:
    printed = operator.run("Restore")

    audited = dict(line.rsplit(maxsplit=1) for line in printed.splitlines() if line[:1].islower())
    assert audited["mismatches"] == "0"
    assert int(audited["accounts"]) >= 1
    dynamodb, copy = stack.client("dynamodb"), f"{table_of(stack)}-restored"
    assert dynamodb.describe_table(TableName=copy)["Table"]["DeletionProtectionEnabled"]
    dynamodb.update_table(TableName=copy, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=copy)
