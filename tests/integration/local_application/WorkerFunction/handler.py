"""The queue and the schedule: note what came, refuse the messages that say so."""

import os
from typing import Any

import aws_json  # type: ignore[import-not-found]


def handler(event: dict[str, Any], context: Any) -> Any:
    if "Records" not in event:
        note(event["id"], event["detail-type"])
        return None
    refused = []
    for record in event["Records"]:
        body = record["body"]
        if "refuse me" in body:
            refused.append({"itemIdentifier": record["messageId"]})
        else:
            note(record["messageId"], body)
    return {"batchItemFailures": refused}


def note(key: str, text: str) -> None:
    item = {"pk": {"S": key}, "text": {"S": text}, "look_at": {"S": "noted"}}
    aws_json.call("dynamodb", "DynamoDB_20120810.PutItem", TableName=os.environ["TABLE_NAME"], Item=item)
