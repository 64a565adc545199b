"""The private bucket: what is in it is ours, and nobody reads it without a signed link."""

from __future__ import annotations

from typing import IO

from darkroom.adapters.aws import client
from darkroom.domain.jobs import Job
from darkroom.settings import settings

MEDIA_PREFIX = "media/"


def output_key(job: Job, number: int, extension: str) -> str:
    """Name the object of an output. Everything of a job lies under one prefix."""
    return f"{MEDIA_PREFIX}{job.account}/{job.job_id}/{number}.{extension}"


def thumbnail_key(job: Job, number: int) -> str:
    """Name the object of an output's thumbnail."""
    return output_key(job, number, "thumbnail.jpg")


def put(key: str, body: IO[bytes] | bytes, content_type: str) -> None:
    """Store an object; storing it again is storing it once."""
    client("s3").put_object(Bucket=settings().media_bucket, Key=key, Body=body, ContentType=content_type, CacheControl="private, max-age=3600, immutable")


def link(key: str, *, seconds: int) -> str:
    """Sign a link to an object that is good for this long, and no longer than the credentials it was signed with."""
    url: str = client("s3").generate_presigned_url("get_object", Params={"Bucket": settings().media_bucket, "Key": key}, ExpiresIn=seconds)
    return url
