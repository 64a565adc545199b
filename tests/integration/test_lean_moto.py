"""The local stack's replacements in moto change no response and keep no copies in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.core.model_instances import model_data
from moto.stepfunctions.parser.asl.parse.asl_parser import (
    AmazonStateLanguageParser,
    ASLParserException,
)

from local.cloudformation.lean_moto import lean_moto
from tests.aws import client

TABLE = "darkroom-test"
PARTITIONS = [f"person-{number}" for number in range(3)]


@pytest.fixture
def lean() -> Iterator[None]:
    with lean_moto():
        yield


def put(pk: str, sk: str = "it", *, only_new: bool = False, **attributes: Any) -> dict[str, Any]:
    condition = (
        {
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if only_new
        else {}
    )
    return {
        "Put": {
            "TableName": TABLE,
            "Item": {"pk": {"S": pk}, "sk": {"S": sk}, **attributes},
            **condition,
        }
    }


def add(pk: str, amount: int, *, at_least: int) -> dict[str, Any]:
    values = {":amount": {"N": str(amount)}, ":least": {"N": str(at_least)}}
    update = {
        "UpdateExpression": "ADD credits :amount",
        "ConditionExpression": "credits >= :least",
        "ExpressionAttributeValues": values,
    }
    return {"Update": {"TableName": TABLE, "Key": {"pk": {"S": pk}, "sk": {"S": "it"}}, **update}}


def delete(pk: str) -> dict[str, Any]:
    return {"Delete": {"TableName": TABLE, "Key": {"pk": {"S": pk}, "sk": {"S": "it"}}}}


def all_items() -> list[Any]:
    return sorted(client("dynamodb").scan(TableName=TABLE)["Items"], key=str)


def responses_and_items() -> list[object]:
    """Send accepted and refused transactions. Returns every response and the final items."""
    nested = {"L": [{"M": {"a": {"N": "1"}, "b": {"BOOL": True}, "c": {"NULL": True}}}, {"S": "é"}]}
    responses: list[object] = []
    for writes in (
        [put(partition, credits={"N": "10"}, nested=nested) for partition in PARTITIONS],
        [add("person-0", -7, at_least=7), put("person-0", "entry")],
        [
            add("person-1", -1, at_least=1),
            add("person-0", -7, at_least=7),
            put("person-0", "another entry"),
        ],
        [
            delete("person-1"),
            put("person-2", only_new=True, credits={"N": "0"}),
            put("new", only_new=True),
        ],
        [delete("person-1"), put("new", only_new=True)],
    ):
        try:
            client("dynamodb").transact_write_items(TransactItems=writes)
            responses.append("accepted")
        except ClientError as refused:
            responses.append(refused.response["CancellationReasons"])
    return [
        *responses,
        all_items(),
        client("dynamodb").get_item(
            TableName=TABLE, Key={"pk": {"S": "person-2"}, "sk": {"S": "it"}}
        )["Item"],
    ]


def test_transactions_have_the_same_responses_and_items(aws: None) -> None:
    without_replacements = responses_and_items()
    for item in all_items():
        client("dynamodb").delete_item(TableName=TABLE, Key={"pk": item["pk"], "sk": item["sk"]})

    with lean_moto():
        assert responses_and_items() == without_replacements

    assert [response == "accepted" for response in without_replacements[:5]] == [
        True,
        True,
        False,
        False,
        True,
    ]


def test_no_copy_stays_in_memory(aws: None, lean: None) -> None:
    for number in range(20):
        client("dynamodb").transact_write_items(
            TransactItems=[put(f"{number} {place}") for place in range(4)]
        )

    assert sum(len(model.instances_tracked) for model in model_data["dynamodb"].values()) == 0
    assert len(all_items()) == 80


def definition(seconds: int) -> str:
    states = {
        "Delay": {"Type": "Wait", "Seconds": seconds, "Next": "End"},
        "End": {"Type": "Pass", "End": True},
    }
    return json.dumps({"StartAt": "Delay", "States": states})


def test_executions_of_one_definition_share_no_state(lean: None) -> None:
    first, second = (AmazonStateLanguageParser.parse(definition(1))[0] for _ in range(2))

    assert first.states.states["Delay"] is not second.states.states["Delay"]


def test_each_definition_has_its_own_states(lean: None) -> None:
    seconds = [
        AmazonStateLanguageParser.parse(definition(each))[0]
        .states.states["Delay"]
        .wait_function.seconds
        for each in (1, 2, 1)
    ]

    assert seconds == [1, 2, 1]


def test_a_definition_with_errors_is_refused_each_time(lean: None) -> None:
    for _ in range(2):
        with pytest.raises(ASLParserException, match="mismatched input '7'"):
            AmazonStateLanguageParser.parse('{"StartAt": 7}')
