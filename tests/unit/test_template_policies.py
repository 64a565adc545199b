from __future__ import annotations

import json

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
        "ReceivePredictionFunction",
        "RecoverJobsFunction",
        "RefundJobFunction",
        "RequestPredictionFunction",
        "StoreOutputFunction",
    }


def test_only_functions_of_uploads_write_inputs() -> None:
    assert functions_with("s3:PutObject", "/uploads/*") == {"ApiFunction", "PrepareUploadFunction"}


def test_only_the_rule_of_ended_jobs_sends_to_the_callback_queue() -> None:
    policy = RESOURCES["CallbackQueuePolicy"]["Properties"]
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert policy["Queues"] == [{"Ref": "CallbackQueue"}]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert "JobsEnded" in json.dumps(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
