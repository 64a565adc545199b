"""The AWS account that the stand-ins play: its names, its credentials, and clients that reach it."""

from typing import Any

import boto3
from botocore.config import Config

# A boto3 client: its methods are made from the service's model at run time.
type Client = Any

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
PARTITION = "aws"
URL_SUFFIX = "amazonaws.com"

# Keys of no account in the world; everything on this machine signs with them.
ACCESS_KEY_ID = "LOCALACCESSKEYID0000"
SECRET_ACCESS_KEY = "local-secret-access-key"  # noqa: S105


def arn(service: str, resource: str) -> str:
    """Name a resource of this account in this region."""
    return f"arn:{PARTITION}:{service}:{REGION}:{ACCOUNT_ID}:{resource}"


def client(service: str, endpoint_url: str) -> Client:
    """Make a client of the stand-in for a service.

    Its session is its own: making a client from boto3's shared session is not safe between threads.
    """
    session = boto3.Session(aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=SECRET_ACCESS_KEY, region_name=REGION)
    config = Config(connect_timeout=5, read_timeout=70, retries={"total_max_attempts": 1})
    if service == "s3":
        # botocore would still sign URLs of this region the old way, which S3 refuses for every new bucket.
        config = config.merge(Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    return session.client(service, endpoint_url=endpoint_url, config=config)  # type: ignore[call-overload]
