"""The queue and the schedule: record each message, and fail those that request it."""

import os
from typing import Any

import aws_json  # type: ignore[import-not-found]


def handler(event: dict[str, Any], context: Any) -> Any:
    if "Records" not in event:
        store_text(event["id"], event["detail-type"])
        return None
    refused = []
    for record in event["Records"]:
        body = record["body"]
        if "refuse me" in body:
            refused.append({"itemIdentifier": record["messageId"]})
        else:
            store_text(record["messageId"], body)
    return {"batchItemFailures": refused}


def store_text(key: str, text: str) -> None:
    item = {"pk": {"S": key}, "text": {"S": text}, "kind": {"S": "text"}}
    aws_json.call(
        "dynamodb", "DynamoDB_20120810.PutItem", TableName=os.environ["TABLE_NAME"], Item=item
    )
