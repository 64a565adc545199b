"""Signed webhooks of Replicate, sent to the handler of receive_prediction."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import requests
from standardwebhooks import Webhook

from darkroom.domain.jobs import Attempt, Job
from darkroom.domain.references import Reference
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, client, handler_of
from tests.builders import http_event
from tests.contract import must_be_as_described

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()
LATER = timedelta(minutes=1)


def put_secret(secret: str) -> None:
    client("secretsmanager").put_secret_value(
        SecretId=os.environ["REPLICATE_WEBHOOK_SECRET"], SecretString=secret
    )


def attempt_of(job: Job) -> Attempt:
    assert job.attempt
    return job.attempt


def reference_of(job: Job) -> str:
    return str(Reference(job.account, job.job_id, attempt_of(job).nonce))


def signed(body: bytes, *, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", at, body.decode("utf-8", "replace"))
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def call(reference: str | None, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    event = http_event("POST", "/webhooks/replicate", user=None, headers=headers)
    event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    event["queryStringParameters"] = None if reference is None else {"job": reference}
    answer = handler_of("receive_prediction")(event, CONTEXT)
    must_be_as_described(
        "POST", "/webhooks/replicate", answer["statusCode"], answer["headers"], answer["body"]
    )
    return int(answer["statusCode"]), json.loads(answer["body"])


def ask_replicate(replicate: SimulatedReplicate, reference: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"input": {"prompt": "x"}}
    if reference:
        # Nobody listens there.
        body |= {
            "webhook": f"http://127.0.0.1:9/webhooks/replicate?job={quote(reference, safe='')}"
        }
    answer = requests.post(
        f"{replicate.base_url}/v1/models/black-forest-labs/flux-schnell/predictions",
        json=body,
        headers={"Authorization": "Bearer r8_test"},
        timeout=5,
    )
    created: dict[str, Any] = answer.json()
    return created


def seen_at(replicate: SimulatedReplicate, prediction_id: str) -> str:
    predictions = requests.get(f"{replicate.base_url}/sim/predictions", timeout=5).json()[
        "predictions"
    ]
    (seen,) = (prediction for prediction in predictions if prediction["id"] == prediction_id)
    status: str = seen["status"]
    return status


def prediction(status: str = "succeeded", prediction_id: str = "prediction1", **more: Any) -> bytes:
    return json.dumps({"id": prediction_id, "status": status, **more}).encode()


def tell(
    job: Job, status: str = "succeeded", prediction_id: str = "prediction1", **sign: Any
) -> tuple[int, Any]:
    body = prediction(status, prediction_id)
    return call(reference_of(job), body, signed(body, **sign))
