"""A queue for the events of the bus, and a receiver of callbacks."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from tests.aws import TEMPLATE


@pytest.fixture
def queue(aws: None) -> str:
    """The URL of a queue that receives the events of the template's rule JobsEnded."""
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url: str = sqs.create_queue(QueueName="callbacks")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    bus = os.environ["EVENT_BUS_NAME"]
    pattern = TEMPLATE["Resources"]["JobsEnded"]["Properties"]["EventPattern"]
    events.put_rule(Name="jobs-ended", EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(
        Rule="jobs-ended", EventBusName=bus, Targets=[{"Id": "callbacks", "Arn": arn}]
    )
    return url


@pytest.fixture
def callbacks() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A callback URL, and the headers and bodies that it receives."""
    received: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/darkroom", received
        server.shutdown()
