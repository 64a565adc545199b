"""Every simulation holds what the functions ask AWS for against their policies; here is that this would find what is missing."""

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

# A provider is a module that says whether it supports webhooks.
PROVIDERS = {
    path.stem
    for path in (ROOT / "shared/darkroom/providers").glob("*.py")
    if "\nSUPPORTS_WEBHOOKS =" in path.read_text()
}
MEDIA, UPLOADS = "${MediaBucket.Arn}/media/*", "${MediaBucket.Arn}/uploads/*"


def test_every_provider_has_permission_scenarios() -> None:
    assert PROVIDER_SCENARIOS.keys() == PROVIDERS


@pytest.mark.parametrize(
    "scenario",
    [each for scenarios in PROVIDER_SCENARIOS.values() for each in scenarios],
    ids=lambda scenario: scenario.name,
)
def test_no_function_requests_what_its_policies_forbid_whichever_provider_it_calls(
    scenario: Scenario,
) -> None:
    # `run_scenario` checks the permissions of every call. A kill after each call leads through the retries and through recovery.
    # Such a job may be refunded: Runway has no list in which a task of an unanswered request could be found.
    for point in fault_points(scenario):
        run_scenario(replace(scenario, expected_statuses=None), point, KILL_AFTER)


@pytest.mark.parametrize(
    "function",
    ["request_prediction", "receive_prediction", "store_output", "refund_job", "recover_jobs"],
)
@pytest.mark.parametrize(
    "secret", ["ReplicateTokenSecret", "RunwayKeySecret", "StableDiffusionLoginSecret"]
)
def test_a_function_that_calls_providers_may_call_each_of_them(function: str, secret: str) -> None:
    assert is_allowed(function, ("secretsmanager:GetSecretValue", secret, None))
    for action in ("s3:GetObject", "s3:PutObject"):
        assert is_allowed(function, (action, MEDIA, None))
    assert is_allowed(function, ("s3:ListBucket", '"MediaBucket"', None))


@pytest.mark.parametrize(
    ("function", "request", "allowed"),
    [
        ("audit_accounts", ("dynamodb:PutItem", '"Table"', "AUDIT"), True),
        ("audit_accounts", ("dynamodb:PutItem", '"Table"', "ACCOUNT#web#ann"), False),
        ("audit_accounts", ("dynamodb:UpdateItem", '"Table"', None), False),
        ("store_output", ("secretsmanager:GetSecretValue", "ReplicateTokenSecret", None), True),
        ("store_output", ("secretsmanager:GetSecretValue", "ReplicateWebhookSecret", None), False),
        ("store_output", ("s3:GetObject", UPLOADS, None), False),
        ("refund_job", ("s3:DeleteObject", MEDIA, None), False),
        ("complete_job", ("s3:GetObject", MEDIA, None), False),
        ("complete_job", ("secretsmanager:GetSecretValue", "RunwayKeySecret", None), False),
        ("notify_client", ("s3:GetObject", UPLOADS, None), True),
        ("recover_jobs", ("dynamodb:Query", "${Table.Arn}/index/next-check", None), True),
        ("api", ("dynamodb:Query", "${Table.Arn}/index/next-check", None), False),
    ],
)
def test_a_function_may_do_what_its_policy_names_and_nothing_else(
    function: str, request: Request, allowed: bool
) -> None:
    assert is_allowed(function, request) is allowed


def test_a_transaction_requests_each_of_its_writes() -> None:
    writes: dict[str, Any] = {"TransactItems": [{"Put": {}}, {"Update": {}}, {"Delete": {}}]}

    assert list(forbidden([Call("api", 0, 0, "dynamodb.TransactWriteItems", writes)])) == []
    assert (
        len(list(forbidden([Call("store_output", 0, 0, "dynamodb.TransactWriteItems", writes)])))
        == 2
    )


def test_what_a_policy_does_not_name_is_a_broken_promise() -> None:
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

        with pytest.raises(BrokenPromise, match="may not ask for"):
            promises.check_quiet()
