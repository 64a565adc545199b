"""Requests about uploads, and the files that users send."""

from __future__ import annotations

import itertools
import json
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from PIL import Image

from tests.aws import CONTEXT, handler_of
from tests.builders import call_api, http_event
from tests.contract import must_be_as_described
from tests.integration.steps import BUCKET

PNG = {"content_type": "image/png", "bytes": 5_000}


def image(size: tuple[int, int] = (40, 30)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, "tomato").save(file, "PNG")
    return file.getvalue()


def create_upload(body: object = PNG, **event: Any) -> tuple[int, Any]:
    status, document, _ = call_api("POST", "/uploads", body=body, **event)
    return status, document


def put_file(upload: dict[str, Any], body: bytes) -> None:
    boto3.client("s3").put_object(
        Bucket=BUCKET, Key=upload["fields"]["key"], Body=body, ContentType="image/png"
    )


def complete(upload_id: str, **event: Any) -> tuple[int, Any]:
    response = handler_of("prepare_upload")(
        http_event("POST", f"/uploads/{upload_id}/complete", **event), CONTEXT
    )
    must_be_as_described(
        "POST",
        f"/uploads/{upload_id}/complete",
        response["statusCode"],
        response["headers"],
        response["body"],
    )
    return response["statusCode"], json.loads(response["body"])


def keys() -> list[str]:
    return sorted(
        item["Key"]
        for item in boto3.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    )


def object_at(key: str) -> bytes:
    body: bytes = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


def fields_of(problem: Any) -> list[str]:
    return [error["field"] for error in problem["errors"]]


def crash_after(operation: str, number: int, patch: pytest.MonkeyPatch) -> None:
    """Crash the process after this call of the operation (1 is the first) has taken effect."""
    calls = itertools.count(1)
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call_and_crash(client: Any, name: str, parameters: Any) -> Any:
        response = call(client, name, parameters)
        if name == operation and next(calls) == number:
            raise KeyboardInterrupt
        return response

    patch.setattr(BaseClient, "_make_api_call", call_and_crash)
