"""Every simulation compares calls with the IAM policies. These tests verify that comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.aws import ROOT
from tests.simulation.calls import KILL_AFTER, Call
from tests.simulation.environment import Environment
from tests.simulation.permissions import Request, forbidden, is_allowed
from tests.simulation.promises import BrokenPromise, Promises
from tests.simulation.provider_scenarios import PROVIDER_SCENARIOS
from tests.simulation.run_scenario import fault_points, run_scenario
from tests.simulation.scenarios import Scenario, submission

# Each provider's module defines SUPPORTS_WEBHOOKS; helper modules do not.
PROVIDERS = {
    path.stem
    for path in (ROOT / "shared/darkroom/providers").glob("*.py")
    if "\nSUPPORTS_WEBHOOKS =" in path.read_text()
}
EXECUTIONS = "execution:${AWS::StackName}-generation:*"
MEDIA, UPLOADS = "${MediaBucket.Arn}/media/*", "${MediaBucket.Arn}/uploads/*"


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
    secrets = ("ReplicateTokenSecret", "RunwayKeySecret", "StableDiffusionLoginSecret")
    requests: list[Request] = [
        *(("secretsmanager:GetSecretValue", secret, None) for secret in secrets),
        ("s3:GetObject", MEDIA, None),
        ("s3:PutObject", MEDIA, None),
        ("s3:ListBucket", '"MediaBucket"', None),
    ]

    for function in (
        "request_prediction",
        "receive_prediction",
        "store_output",
        "refund_job",
        "recover_jobs",
    ):
        refused = [request for request in requests if not is_allowed(function, request)]
        assert not refused, function


def test_a_function_may_only_do_what_its_policies_allow() -> None:
    cases: list[tuple[str, Request, bool]] = [
        ("audit_accounts", ("dynamodb:PutItem", '"Table"', "AUDIT"), True),
        ("audit_accounts", ("dynamodb:PutItem", '"Table"', "ACCOUNT#web#ann"), False),
        ("audit_accounts", ("dynamodb:UpdateItem", '"Table"', None), False),
        ("store_output", ("secretsmanager:GetSecretValue", "ReplicateTokenSecret", None), True),
        ("store_output", ("secretsmanager:GetSecretValue", "ReplicateWebhookSecret", None), False),
        ("store_output", ("s3:GetObject", UPLOADS, None), False),
        ("refund_job", ("s3:DeleteObject", MEDIA, None), False),
        ("complete_job", ("s3:GetObject", MEDIA, None), False),
        ("complete_job", ("secretsmanager:GetSecretValue", "RunwayKeySecret", None), False),
        ("notify_client", ("s3:GetObject", MEDIA, None), True),
        ("notify_client", ("s3:GetObject", UPLOADS, None), False),
        ("notify_client", ("dynamodb:PutItem", '"Table"', "DELIVERY#1"), True),
        ("notify_client", ("dynamodb:PutItem", '"Table"', "ACCOUNT#web#ann"), False),
        ("notify_client", ("sqs:ChangeMessageVisibility", '"CallbackQueue"', None), True),
        ("recover_jobs", ("dynamodb:Query", "${Table.Arn}/index/next-check", None), True),
        ("api", ("dynamodb:Query", "${Table.Arn}/index/next-check", None), True),
        ("api", ("dynamodb:Query", "${Table.Arn}/index/lookup", None), True),
        ("recover_jobs", ("dynamodb:Query", "${Table.Arn}/index/lookup", None), False),
        ("recover_jobs", ("states:DescribeExecution", EXECUTIONS, None), True),
        ("recover_jobs", ("states:StopExecution", EXECUTIONS, None), True),
        ("api", ("states:StopExecution", EXECUTIONS, None), False),
    ]

    for function, request, allowed in cases:
        assert is_allowed(function, request) is allowed, f"{function}: {request}"


def test_a_transaction_needs_permission_for_each_of_its_writes() -> None:
    writes: dict[str, Any] = {"TransactItems": [{"Put": {}}, {"Update": {}}, {"Delete": {}}]}

    assert list(forbidden([Call("api", 0, 0, "dynamodb.TransactWriteItems", writes)])) == []
    assert (
        len(list(forbidden([Call("store_output", 0, 0, "dynamodb.TransactWriteItems", writes)])))
        == 2
    )


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
            )
        )

        with pytest.raises(BrokenPromise, match="no policy allows"):
            promises.check_quiet()
