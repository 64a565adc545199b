"""Every simulation compares calls with the IAM policies. These tests verify that comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from darkroom.storage.table import AccountRow
from local.cloudformation.account import arn
from local.iam.policies import Access
from tests.aws import ROOT
from tests.simulation.calls import KILL_AFTER, Call
from tests.simulation.environment import Environment
from tests.simulation.patching import FUNCTIONS
from tests.simulation.permissions import ALARM_TOPIC, forbidden, is_allowed
from tests.simulation.promises import BrokenPromise, Promises
from tests.simulation.provider_scenarios import PROVIDER_SCENARIOS
from tests.simulation.run_scenario import fault_points, run_scenario
from tests.simulation.scenario_steps import submission
from tests.simulation.scenarios import Scenario

# Each provider is a package. Modules beside them are helpers.
PROVIDERS = {
    path.parent.name for path in (ROOT / "shared/darkroom/providers").glob("*/__init__.py")
}
TABLE = arn("dynamodb", "table/darkroom-test")
INDEX = f"{TABLE}/index/next-check"
EXECUTION = arn("states", "execution:darkroom-test-generation:job")
QUEUE = arn("sqs", "darkroom-test")
BUCKET = "arn:aws:s3:::darkroom-test-media"
MEDIA, UPLOAD = f"{BUCKET}/media/a", f"{BUCKET}/uploads/a"


def secret(name: str) -> Access:
    return Access("secretsmanager:GetSecretValue", arn("secretsmanager", f"secret:{name}"))


def listing(prefix: str | None) -> Access:
    return Access("s3:ListBucket", BUCKET, {} if prefix is None else {"s3:prefix": (prefix,)})


def write(pk: str, *attributes: str, action: str = "UpdateItem", **context: str) -> Access:
    keys = {"dynamodb:leadingkeys": (pk,), "dynamodb:attributes": ("pk", "sk", *attributes)}
    others = {f"dynamodb:{name}": (value,) for name, value in context.items()}
    return Access(f"dynamodb:{action}", TABLE, keys | others)


def test_every_provider_has_permission_scenarios() -> None:
    assert PROVIDER_SCENARIOS.keys() == PROVIDERS


@pytest.mark.parametrize(
    "scenario",
    [each for scenarios in PROVIDER_SCENARIOS.values() for each in scenarios],
    ids=lambda scenario: scenario.name,
)
def test_every_call_is_allowed_for_each_provider(scenario: Scenario) -> None:
    # `run_scenario` checks the permissions of every call. A kill after each call runs the retries
    # and recovery. A killed job may be refunded: Runway has no list in which the task of a request
    # without a response could be found.
    for point in fault_points(scenario):
        run_scenario(replace(scenario, expected_statuses=None), point, KILL_AFTER)


def test_a_function_that_calls_providers_may_call_each_of_them() -> None:
    accesses = [
        *map(secret, ("replicate-token", "runway-key", "webui-login")),
        Access("s3:GetObject", MEDIA),
        Access("s3:PutObject", MEDIA),
        listing("media/a/"),
    ]

    for function in (
        "request_prediction",
        "receive_prediction",
        "store_output",
        "refund_job",
        "recover_jobs",
    ):
        refused = [access for access in accesses if not is_allowed(function, access)]
        assert not refused, function


def test_a_function_may_only_do_what_its_policies_allow() -> None:
    ann = "ACCOUNT#web#ann"
    cases: list[tuple[str, Access, bool]] = [
        ("audit_accounts", write("AUDIT", action="PutItem"), True),
        ("audit_accounts", write(ann, action="PutItem"), False),
        ("audit_accounts", write("AUDIT", "mismatches"), False),
        ("store_output", secret("replicate-token"), True),
        ("store_output", secret("replicate-webhook"), False),
        ("store_output", Access("s3:GetObject", UPLOAD), False),
        ("refund_job", Access("s3:DeleteObject", MEDIA), False),
        ("complete_job", Access("s3:GetObject", MEDIA), False),
        ("complete_job", secret("runway-key"), False),
        ("notify_client", Access("s3:GetObject", MEDIA), True),
        ("notify_client", Access("s3:GetObject", UPLOAD), False),
        ("notify_client", write(ann, "callback_secret"), False),
        ("notify_client", write("DELIVERY#1", action="PutItem"), True),
        ("notify_client", write(ann, action="PutItem"), False),
        ("notify_client", Access("sqs:ChangeMessageVisibility", QUEUE), True),
        ("check_catalog", write("SLOT#replicate"), True),
        ("check_catalog", write(ann), False),
        ("check_catalog", Access("sns:Publish", ALARM_TOPIC), True),
        ("check_catalog", Access("sns:Publish", f"{ALARM_TOPIC}2"), False),
        ("recover_jobs", Access("dynamodb:Query", INDEX), True),
        ("api", Access("dynamodb:Query", INDEX), True),
        ("api", Access("dynamodb:Query", f"{TABLE}/index/lookup"), True),
        ("recover_jobs", Access("dynamodb:Query", f"{TABLE}/index/lookup"), False),
        ("recover_jobs", Access("states:DescribeExecution", EXECUTION), True),
        ("recover_jobs", Access("states:StopExecution", EXECUTION), True),
        ("api", Access("states:StopExecution", EXECUTION), False),
    ]

    for function, access, allowed in cases:
        assert is_allowed(function, access) is allowed, f"{function}: {access}"


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_no_function_may_list_the_whole_bucket(function: str) -> None:
    for prefix in (None, "", "m", "media", "uploads", "other/a"):
        assert not is_allowed(function, listing(prefix)), prefix


@pytest.mark.parametrize(
    ("function", "attribute"), [("prepare_upload", "content_type"), ("store_output", "outputs")]
)
def test_a_function_that_decodes_foreign_files_cannot_write_accounts(
    function: str, attribute: str
) -> None:
    ann = "ACCOUNT#web#ann"
    numbers = set(AccountRow.get_attributes()) - {"pk", "sk", "revision"}

    assert is_allowed(function, write(ann, attribute))
    assert is_allowed(function, write(ann, attribute, returnvalues="NONE"))
    assert not is_allowed(function, write(ann, attribute, returnvalues="ALL_NEW"))
    assert not is_allowed(function, write(ann, attribute, returnvalues="ALL_OLD"))
    assert not is_allowed(function, write("AUDIT", attribute))
    assert not is_allowed(function, write("SLOT#replicate", attribute))
    for number in numbers:
        assert not is_allowed(function, write(ann, attribute, number)), number
    for action in ("PutItem", "DeleteItem"):
        assert not is_allowed(function, write(ann, attribute, action=action)), action


def test_a_transaction_needs_permission_for_each_of_its_writes() -> None:
    row = {"pk": {"S": "ACCOUNT#web#ann"}, "sk": {"S": "JOB#1"}}
    update = {"UpdateExpression": "SET #0 = :0", "ExpressionAttributeNames": {"#0": "outputs"}}
    of_table = {"TableName": "darkroom-test"}
    writes: dict[str, Any] = {
        "TransactItems": [
            {"Put": of_table | {"Item": row}},
            {"Update": of_table | {"Key": row} | update},
            {"Delete": of_table | {"Key": row}},
        ]
    }

    assert list(forbidden([Call("api", 0, 0, "dynamodb.TransactWriteItems", writes)])) == []
    refused = list(forbidden([Call("store_output", 0, 0, "dynamodb.TransactWriteItems", writes)]))
    assert [text.partition("dynamodb:")[2][:6] for text in refused] == ["PutIte", "Delete"]


def test_a_call_without_permission_is_a_broken_promise() -> None:
    environment = Environment()
    promises = Promises(environment)
    with environment.activated():
        environment.open_account("ann", 100)
        environment.api("POST", "/jobs", **submission())
        environment.settle()
        promises.check_quiet()
        invocation_of_step = next(
            invocation
            for invocation in environment.invocations
            if invocation.function == "request_prediction"
        )
        invocation_of_step.calls.append(
            Call(
                "request_prediction",
                invocation_of_step.number,
                len(invocation_of_step.calls),
                "dynamodb.Scan",
                {"TableName": "darkroom-test"},
            )
        )

        with pytest.raises(BrokenPromise, match="no policy allows"):
            promises.check_quiet()
