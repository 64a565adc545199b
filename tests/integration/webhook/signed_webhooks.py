"""Signed webhooks of Replicate, sent to the handler of receive_prediction."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from standardwebhooks import Webhook

from darkroom.domain.jobs import Attempt, Job
from darkroom.domain.references import Reference
from tests.aws import CONTEXT, client, handler_of
from tests.builders import http_event
from tests.contract import must_be_as_described

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()
LEASE = timedelta(minutes=1)


def put_secret(secret: str) -> None:
    """Replace the webhook secret. The replaced secret becomes the previous version."""
    client("secretsmanager").put_secret_value(
        SecretId=os.environ["REPLICATE_WEBHOOK_SECRET"], SecretString=secret
    )


def attempt_of(job: Job) -> Attempt:
    assert job.attempt
    return job.attempt


def reference_of(job: Job) -> str:
    """Return the reference that the webhook URL of the job's attempt contains."""
    return str(Reference(job.account, job.job_id, attempt_of(job).nonce))


def webhook_url(reference: str, *, base_url: str = "https://darkroom.test", safe: str = "") -> str:
    return f"{base_url}/webhooks/replicate?job={quote(reference, safe=safe)}"


def prediction_body(
    status: str = "succeeded", prediction_id: str = "prediction1", **fields: Any
) -> bytes:
    return json.dumps({"id": prediction_id, "status": status, **fields}).encode()


def signed_headers(
    body: bytes, *, secret: str = SECRET, at: datetime | None = None
) -> dict[str, str]:
    signed_at = at or datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", signed_at, body.decode("utf-8", "replace"))
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(signed_at.timestamp())),
        "webhook-signature": signature,
    }


def post_webhook(reference: str | None, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    """Send a webhook, and return the status and the document of the response."""
    event = http_event("POST", "/webhooks/replicate", user=None, headers=headers)
    event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    event["queryStringParameters"] = None if reference is None else {"job": reference}
    response = handler_of("receive_prediction")(event, CONTEXT)
    must_be_as_described(
        "POST", "/webhooks/replicate", response["statusCode"], response["headers"], response["body"]
    )
    return int(response["statusCode"]), json.loads(response["body"])


def post_signed(job: Job, body: bytes) -> tuple[int, Any]:
    """Send a correctly signed webhook for the job's attempt."""
    return post_webhook(reference_of(job), body, signed_headers(body))


def send_webhook(
    job: Job, status: str = "succeeded", prediction_id: str = "prediction1", **signing: Any
) -> tuple[int, Any]:
    """Send a signed webhook that reports this status of the job's prediction."""
    body = prediction_body(status, prediction_id)
    return post_webhook(reference_of(job), body, signed_headers(body, **signing))
