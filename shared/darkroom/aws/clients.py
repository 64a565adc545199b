"""Clients of AWS services, made once per process, with timeouts that are shorter than those of any function."""

from functools import cache
from typing import Any, cast

import boto3
from botocore.config import Config

_BRIEF = Config(
    connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"}
)
_S3 = Config(
    signature_version="s3v4",
    # A link to the global address is redirected while a bucket of another region is new, and its signature does not survive that.
    s3={"addressing_style": "virtual"},
)

# A put of a large output takes longer than an answer should.
_BULKY = Config(
    connect_timeout=1, read_timeout=30, retries={"total_max_attempts": 3, "mode": "standard"}
)
_CONFIGS = {
    (False, False): _BRIEF,
    (True, False): _BRIEF.merge(_S3),
    (True, True): _BULKY.merge(_S3),
}


@cache
def client(service: str, *, bulky: bool = False) -> Any:  # noqa: ANN401 (boto3 makes its clients at run time)
    """Give the client of a service; a bulky one is for S3's large bodies."""
    return cast("Any", boto3).client(service, config=_CONFIGS[service == "s3", bulky])
