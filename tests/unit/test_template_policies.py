from __future__ import annotations

import json

import pytest

from tests.aws import TEMPLATE, statements_of

RESOURCES = TEMPLATE["Resources"]
FUNCTIONS = {
    name: resource
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}


def functions_with(action: str, resource: str) -> set[str]:
    """Return the functions whose policies allow an action on a resource with this text."""
    return {
        name
        for name, function in FUNCTIONS.items()
        for statement in statements_of(function)
        if action in json.dumps(statement["Action"])
        and resource in json.dumps(statement["Resource"])
    }


def test_only_functions_that_call_providers_write_outputs() -> None:
    assert functions_with("s3:PutObject", "/media/*") == {
        "CheckCatalogFunction",
        "ReceivePredictionFunction",
        "RecoverJobsFunction",
        "RefundJobFunction",
        "RequestPredictionFunction",
        "StoreOutputFunction",
    }


def test_only_functions_of_uploads_write_inputs() -> None:
    assert functions_with("s3:PutObject", "/uploads/*") == {"ApiFunction", "PrepareUploadFunction"}


@pytest.mark.parametrize("queue", ["CallbackQueue", "CallbackDeadLetters"])
def test_only_the_rule_of_ended_jobs_sends_to_the_queues_of_callbacks(queue: str) -> None:
    policy = RESOURCES[f"{queue}Policy"]["Properties"]
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert policy["Queues"] == [{"Ref": queue}]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == {"Fn::GetAtt": [queue, "Arn"]}
    assert "JobsEnded" in json.dumps(statement["Condition"]["ArnEquals"]["aws:SourceArn"])


def test_an_event_that_cannot_be_sent_is_not_lost() -> None:
    (target,) = RESOURCES["JobsEnded"]["Properties"]["Targets"]

    assert target["Arn"] == {"Fn::GetAtt": ["CallbackQueue", "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["CallbackDeadLetters", "Arn"]}}


def test_two_functions_start_the_alias_by_a_policy_for_its_state_machine() -> None:
    # IAM compares the ARN of the state machine without the alias (Step Functions Developer Guide,
    # "Authorization for versions and aliases"). A statement for the alias would allow nothing.
    plain = f"stateMachine:{RESOURCES['Workflow']['Properties']['Name']['Fn::Sub']}"
    allowed = {
        name: statement
        for name, function in FUNCTIONS.items()
        for statement in statements_of(function)
        if "states:StartExecution" in statement["Action"]
    }

    assert allowed.keys() == {"ApiFunction", "RecoverJobsFunction"}
    for name, statement in allowed.items():
        assert statement["Resource"]["Fn::Sub"].endswith(f":{plain}"), name
        assert "Condition" not in statement, name


def test_an_execution_is_named_by_its_state_machine_without_the_alias() -> None:
    name = RESOURCES["Workflow"]["Properties"]["Name"]["Fn::Sub"]
    ends = {
        "states:SendTaskSuccess": f":stateMachine:{name}",
        "states:DescribeExecution": f":execution:{name}:*",
        "states:StopExecution": f":execution:{name}:*",
    }
    for action, end in ends.items():
        resources = [
            statement["Resource"]["Fn::Sub"]
            for function in FUNCTIONS.values()
            for statement in statements_of(function)
            if action in statement["Action"]
        ]

        assert resources, action
        assert all(resource.endswith(end) for resource in resources), action
