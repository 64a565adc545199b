"""Workflow state Step: respond through the task token, or fail as the input requests."""

from typing import Any

import aws_json  # type: ignore[import-not-found]


class Unavailable(Exception):
    pass


class Refused(Exception):
    pass


def handler(event: dict[str, Any], context: Any) -> None:
    match event["do"]:
        case "fail":
            raise Refused("not this one")
        case "answer":
            aws_json.call(
                "states",
                "AWSStepFunctions.SendTaskSuccess",
                taskToken=event["task_token"],
                output='{"answer": 42}',
            )
