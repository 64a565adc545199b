"""Clients of AWS services, made once per process, with timeouts that are shorter than any door."""

from functools import cache
from typing import Any, cast

import boto3
from botocore.config import Config

_BRIEF = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
_BULKY = Config(
    connect_timeout=1,
    # A put of a large output takes longer than an answer should.
    read_timeout=30,
    retries={"total_max_attempts": 3, "mode": "standard"},
    signature_version="s3v4",
    # A link to the global address is redirected while a bucket of another region is new, and its signature does not survive that.
    s3={"addressing_style": "virtual"},
)


@cache
def client(service: str) -> Any:  # noqa: ANN401 (boto3 makes its clients at run time)
    """Give the client of a service."""
    return cast("Any", boto3).client(service, config=_BULKY if service == "s3" else _BRIEF)
