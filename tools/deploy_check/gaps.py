"""What MiniStack 1.5.33 does differently from AWS, so the check cannot show it (2026-11-30)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import requests
from botocore.exceptions import ClientError


def _no_time_to_live(outputs: dict[str, str]) -> bool:
    described: Any = boto3.client("dynamodb").describe_time_to_live(TableName=outputs["TableName"])
    return bool(described["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED")


def _no_recovery(outputs: dict[str, str]) -> bool:
    described: Any = boto3.client("dynamodb").describe_continuous_backups(
        TableName=outputs["TableName"]
    )
    recovery = described["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    return bool(recovery.get("PointInTimeRecoveryStatus") != "ENABLED")


def _no_lifecycle(outputs: dict[str, str]) -> bool:
    try:
        boto3.client("s3").get_bucket_lifecycle_configuration(Bucket=outputs["MediaBucketName"])
    except ClientError:
        return True
    return False


def _public_objects(outputs: dict[str, str]) -> bool:
    s3: Any = boto3.client("s3")
    bucket = outputs["MediaBucketName"]
    key = s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"]
    url = f"{s3.meta.endpoint_url}/{bucket}/{key}"
    return requests.get(url, timeout=10).ok


# A gap that can be seen from outside. If one is closed, `report` says so.
VISIBLE: dict[str, Callable[[dict[str, str]], bool]] = {
    "the table has no time to live": _no_time_to_live,
    "the table has no point-in-time recovery": _no_recovery,
    "the bucket has no lifecycle rules": _no_lifecycle,
    "a private object is served without a signature": _public_objects,
}
# Seen in its source and in trials. Nothing here tests them.
OTHERS = (
    "IAM policies are not evaluated",
    "an alarm on metric math watches its first metric; ministack_server.py changes it",
    "a waitForTaskToken state ignores errors of the function",
    "TimeoutSecondsPath, MaxDelaySeconds and JitterStrategy are ignored",
    "managed login has no styles; ministack_server.py accepts them and stores nothing",
    "CloudFront serves no files, so headers, functions and caching of the gallery are not seen",
    "two resources with the same name do not conflict; shared_names compares the names",
)


def report(outputs: dict[str, str], say: Callable[[str], None]) -> None:
    """Print each gap, and whether it still exists."""
    for name, exists in VISIBLE.items():
        say(name if exists(outputs) else f"CLOSED, so remove it from gaps.py: {name}")
    for name in OTHERS:
        say(name)
