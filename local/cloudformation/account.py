"""The simulated AWS account: its names, its credentials, and clients for it."""

import secrets
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


def arn(service: str, resource: str) -> str:
    """Return the ARN of a resource of this account in this region."""
    return f"arn:{PARTITION}:{service}:{REGION}:{ACCOUNT_ID}:{resource}"


def client(service: str, endpoint_url: str) -> Client:
    """Make a client of a simulated service.

    Each client has its own session, because boto3's shared session is not thread-safe.
    """
    session = boto3.Session(
        aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=SECRET_ACCESS_KEY, region_name=REGION
    )
    config = Config(connect_timeout=5, read_timeout=70, retries={"total_max_attempts": 1})
    if service == "s3":
        # In this region botocore signs URLs with version 2 by default. S3 refuses that for new
        # buckets.
        config = config.merge(Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    make_client: Any = session.client
    return make_client(service, endpoint_url=endpoint_url, config=config)
