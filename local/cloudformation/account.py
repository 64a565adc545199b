"""The simulated AWS account: its names, its credentials, and clients for it."""

import hmac
import secrets
from base64 import b32encode
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

# boto3 makes a client's methods at run time, from the service's model.
type Client = Any

STACK_NAME = "darkroom"
ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
PARTITION = "aws"
URL_SUFFIX = "amazonaws.com"

# The local stack signs with these credentials. They belong to no real account. The secret is
# random, so only this process and its functions can presign a link or read a real secret.
ACCESS_KEY_ID = "LOCALACCESSKEYID0000"
SECRET_ACCESS_KEY = secrets.token_urlsafe(30)
# AWS's prefix for the access keys of roles, and the length of an access key id.
_ROLE_KEY_PREFIX = "ASIALOCAL"
_KEY_ID_LENGTH = 20

_SESSION_LOCK = Lock()


@dataclass(frozen=True)
class AccessKey:
    """The id and the secret of an access key."""

    id: str = ACCESS_KEY_ID
    secret: str = field(default=SECRET_ACCESS_KEY, repr=False)


ADMINISTRATOR = AccessKey()


def arn(service: str, resource: str) -> str:
    """Return the ARN of a resource of this account in this region."""
    return f"arn:{PARTITION}:{service}:{REGION}:{ACCOUNT_ID}:{resource}"


def role_access_key(role_arn: str) -> AccessKey:
    """Return the access key of a role. It stays the same while this process runs."""
    digest = b32encode(hmac.digest(SECRET_ACCESS_KEY.encode(), role_arn.encode(), "sha256"))
    key_id = (_ROLE_KEY_PREFIX + digest.decode())[:_KEY_ID_LENGTH]
    return AccessKey(key_id, secret_of(key_id) or "")


def secret_of(key_id: str) -> str | None:
    """Return the secret of an access key that this process has issued, or None for another key.

    The secret of a role is computed from the key id and the random secret of this process.
    """
    if key_id == ACCESS_KEY_ID:
        return SECRET_ACCESS_KEY
    if key_id.startswith(_ROLE_KEY_PREFIX):
        return hmac.digest(SECRET_ACCESS_KEY.encode(), key_id.encode(), "sha256").hex()
    return None


def client(
    service: str,
    endpoint_url: str,
    access_key: AccessKey = ADMINISTRATOR,
    *,
    read_timeout_seconds: float = 70,
) -> Client:
    """Make a client of a simulated service.

    All clients have one session, because a session reads the models of AWS's services. boto3's
    clients are thread-safe, and its sessions are not.
    """
    config = Config(
        connect_timeout=5, read_timeout=read_timeout_seconds, retries={"total_max_attempts": 1}
    )
    if service == "s3":
        # In this region botocore signs URLs with version 2 by default. S3 refuses that for new
        # buckets.
        config = config.merge(Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    with _SESSION_LOCK:
        make_client: Any = _session().client
        return make_client(
            service,
            endpoint_url=endpoint_url,
            aws_access_key_id=access_key.id,
            aws_secret_access_key=access_key.secret,
            config=config,
        )


@cache
def _session() -> boto3.Session:
    return boto3.Session(region_name=REGION)
