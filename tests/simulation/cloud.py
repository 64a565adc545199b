"""AWS in memory: the table, the bucket, the secrets and the event bus.

Step Functions is in `interpreter`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from io import BytesIO
from typing import Any

from tests.aws import TEMPLATE
from tests.simulation.event_queue import EventQueue
from tests.simulation.interpreter import StepFunctions
from tests.simulation.memory_table import MemoryTable, TableError

type Service = Callable[[str, Mapping[str, Any]], dict[str, Any]]

VISIBILITY_SECONDS = TEMPLATE["Resources"]["CallbackQueue"]["Properties"]["VisibilityTimeout"]
RECEIVES_MAX = TEMPLATE["Resources"]["CallbackQueue"]["Properties"]["RedrivePolicy"][
    "maxReceiveCount"
]
# secretlint-disable-next-line -- a secret of the simulation
WEBHOOK_SECRET = "whsec_c2ltdWxhdGVkLXNlY3JldC1zaW11bGF0ZWQ="
_SECRETS = {
    "replicate-token": "r8_test",
    "replicate-webhook": WEBHOOK_SECRET,
    "runway-key": "key_test",
    "webui-login": "ann:secret",
}


class Cloud:
    """The state of the AWS services. `on_message` receives each event for the callback queue."""

    def __init__(
        self,
        event_queue: EventQueue,
        states: StepFunctions,
        on_message: Callable[[dict[str, Any]], None],
    ) -> None:
        indexes = {
            index["IndexName"]: (
                index["KeySchema"][0]["AttributeName"],
                index["KeySchema"][1]["AttributeName"],
            )
            for index in TEMPLATE["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]
        }
        self.table = MemoryTable(os.environ["TABLE_NAME"], indexes)
        self.objects: dict[str, bytes] = {}
        self.events: list[dict[str, Any]] = []
        self.hidden_seconds: dict[str, int] = {}
        self.metrics: list[dict[str, Any]] = []
        self._event_queue = event_queue
        self._on_message = on_message
        self._services: dict[str, Service] = {
            "dynamodb": self.table.call,
            "stepfunctions": states.call,
            "s3": self._s3,
            "secretsmanager": self._secrets_manager,
            "events": self._events_bus,
            "sqs": self._sqs,
        }

    def call(self, service: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Respond to one call of AWS's client.

        Raises TableError with the service's error code, and NotImplementedError for an unknown
        call.
        """
        try:
            perform = self._services[service]
            return perform(operation, request)
        except KeyError as unknown:
            raise NotImplementedError(f"{service}.{operation}: {unknown}") from unknown

    def _s3(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        match operation:
            case "PutObject":
                body = request["Body"]
                self.objects[request["Key"]] = body if isinstance(body, bytes) else body.read()
            case "GetObject":
                if request["Key"] not in self.objects:
                    # No function may list the whole bucket. So S3 does not tell what is missing.
                    raise TableError("AccessDenied")
                body = self.objects[request["Key"]]
                return {"ContentLength": len(body), "Body": BytesIO(body)}
            case "DeleteObject":
                self.objects.pop(request["Key"], None)
            case "ListObjectsV2":
                return {
                    "Contents": [
                        {"Key": key}
                        for key in sorted(self.objects)
                        if key.startswith(request["Prefix"])
                    ],
                    "IsTruncated": False,
                }
            case "DeleteObjects":
                for each in request["Delete"]["Objects"]:
                    self.objects.pop(each["Key"], None)
            case _:
                raise KeyError(operation)
        return {}

    def _secrets_manager(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if operation != "GetSecretValue":
            raise KeyError(operation)
        if request.get("VersionStage", "AWSCURRENT") != "AWSCURRENT":
            raise TableError("ResourceNotFoundException")
        return {"SecretString": _SECRETS[request["SecretId"]]}

    def _sqs(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        match operation:
            case "ChangeMessageVisibility":
                self.hidden_seconds[request["ReceiptHandle"]] = request["VisibilityTimeout"]
            case "SendMessage":
                self._send_message(json.loads(request["MessageBody"]))
            case _:
                raise KeyError(operation)
        return {}

    def _events_bus(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if operation != "PutEvents":
            raise KeyError(operation)
        for entry in request["Entries"]:
            event = {
                "source": entry["Source"],
                "detail-type": entry["DetailType"],
                "detail": json.loads(entry["Detail"]),
            }
            self.events.append(event)
            # The rule's pattern in template.yaml.
            if event["detail"].get("callback", True):
                self._send_message(event)
        return {"FailedEntryCount": 0, "Entries": [{} for _ in request["Entries"]]}

    def _send_message(self, event: dict[str, Any]) -> None:
        self._event_queue.at(
            self._event_queue.now + timedelta(seconds=1),
            "callback queue",
            lambda: self._on_message(event),
        )
