"""boto3 clients, created once per process by one session.

Their timeouts are shorter than those of each function.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, cast

import boto3
from botocore.config import Config

from darkroom.settings import settings

_BRIEF = Config(
    connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"}
)
_S3 = Config(
    signature_version="s3v4",
    # Links must have the bucket's regional host. S3 redirects the global host while a bucket is
    # new, and a redirect makes the signature invalid.
    s3={"addressing_style": "virtual"},
)

# For large objects in S3, which need more time than other calls.
_BULKY = Config(
    connect_timeout=1, read_timeout=30, retries={"total_max_attempts": 3, "mode": "standard"}
)
# PynamoDB builds valid requests. The check is 7 % of the time of a call.
_DYNAMODB = Config(parameter_validation=False)
_CONFIGS = {
    ("dynamodb", False): _BRIEF.merge(_DYNAMODB),
    ("s3", False): _BRIEF.merge(_S3),
    ("s3", True): _BULKY.merge(_S3),
}


# An emulator on a busy machine responds later than AWS.
_EMULATOR = Config(read_timeout=10)


@cache
def client(service: str, *, bulky: bool = False) -> Any:  # noqa: ANN401 (untyped)
    """Return the client of a service. `bulky`: for large bodies in S3."""
    config = _CONFIGS.get((service, bulky), _BRIEF)
    if settings().aws_endpoint_url and not bulky:
        config = config.merge(_EMULATOR)
    return _session().client(service, config=config)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of this process. `expires_at` is None if the process does not know it."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False)
    expires_at: datetime | None


def credentials() -> Credentials:
    """Return the current credentials, which are those of the clients.

    Lambda sets them in environment variables and does not say when they expire. The endpoint that
    Lambda uses with SnapStart says it (AWS Lambda Developer Guide, "Working with Lambda environment
    variables").
    """
    current = _session().get_credentials()
    frozen = current.get_frozen_credentials()
    return Credentials(
        frozen.access_key,
        frozen.secret_key,
        frozen.token,
        # Only refreshable credentials have this attribute, and botocore has no public one.
        getattr(current, "_expiry_time", None),
    )


@cache
def _session() -> Any:  # noqa: ANN401 (untyped)
    return cast("Any", boto3).Session()
