"""The private bucket: what is in it is ours, and nobody reads it without a signed link."""

from __future__ import annotations

import shutil
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import IO
from urllib.parse import quote

from darkroom.aws.clients import client
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, ModelInput
from darkroom.settings import settings

MEDIA_PREFIX = "media/"
# Of the 2 KB that all metadata of an object may have together, names included.
_PROMPT_BYTES_MAX = 1_800
_MEMORY_BYTES_MAX = 8 << 20


class MediaNotDeleted(RuntimeError):
    """The bucket did not delete everything; the message is its code."""


def prefix_of(account: AccountId, job_id: str) -> str:
    """Name the prefix under which everything of a job lies."""
    return f"{MEDIA_PREFIX}{account}/{job_id}/"


def output_key(job: Job, number: int, extension: str) -> str:
    """Name the object of an output."""
    return f"{prefix_of(job.account, job.job_id)}{number}.{extension}"


def thumbnail_key(job: Job, number: int) -> str:
    """Name the object of an output's thumbnail."""
    return output_key(job, number, "thumbnail.jpg")


def put(
    key: str, body: IO[bytes] | bytes, content_type: str, metadata: Mapping[str, str] | None = None
) -> None:
    """Store an object; storing it again is storing it once. Metadata must be ASCII, of at most 2 KB in all."""
    client("s3", bulky=True).put_object(
        Bucket=settings().media_bucket,
        Key=key,
        Body=body,
        ContentType=content_type,
        CacheControl="private, max-age=3600, immutable",
        Metadata=dict(metadata or {}),
    )


def metadata_of(job: Job) -> dict[str, str]:
    """Say on an object where it comes from: the job, the template, and the prompt, for as long as it fits.

    S3's metadata are headers, which carry ASCII alone (docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html), so the prompt
    stands there as URLs have it: UTF-8, percent-encoded, and cut at the end of a character.
    """
    known = {"job-id": job.job_id, "template": f"{job.template.code}@{job.template.version}"}
    prompt = job.parameters.get("prompt")
    return known | ({"prompt": _percent_encode(prompt)} if isinstance(prompt, str) else {})


def _percent_encode(text: str) -> str:
    parts, left = list[str](), _PROMPT_BYTES_MAX
    for character in text:
        part = quote(character, safe="")
        left -= len(part)
        if left < 0:
            break
        parts.append(part)
    return "".join(parts)


def keys_under(prefix: str) -> list[str]:
    """Name the objects under a prefix, which are few."""
    found = client("s3").list_objects_v2(Bucket=settings().media_bucket, Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]


def delete_all(account: AccountId, job_id: str) -> None:
    """Delete everything of a job, also what no record knows of. Raises MediaNotDeleted when the bucket refuses; it may be repeated."""
    s3 = client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(
        Bucket=settings().media_bucket, Prefix=prefix_of(account, job_id)
    ):
        if found := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
            response = s3.delete_objects(
                Bucket=settings().media_bucket, Delete={"Objects": found, "Quiet": True}
            )
            if response.get("Errors"):
                raise MediaNotDeleted(response["Errors"][0].get("Code", "unknown"))


def open_object(key: str) -> IO[bytes]:
    """Read an object that a provider has put into the bucket, and give it rewound to its start. The caller closes it.

    Raises GenerationFailed when it is not there any more, or has more bytes than an output may.
    """
    s3 = client("s3", bulky=True)
    try:
        found = s3.get_object(Bucket=settings().media_bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        raise GenerationFailed(failure(FailureCode.OUTPUT_UNAVAILABLE)) from None
    if found["ContentLength"] > settings().output_bytes_max:
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED))
    file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES_MAX)  # noqa: SIM115 (the caller closes it)
    shutil.copyfileobj(found["Body"], file)
    file.seek(0)
    return file


def link_inputs(model_input: ModelInput, *, inline_bytes_max: int = 0) -> ModelInput:
    """Put a signed link in the place of each image of ours, for the provider to fetch; it is signed only when the provider is asked.

    Images of at most `inline_bytes_max` go into the request itself, where the provider cannot reach the bucket or would rather not.
    """
    return replace(
        model_input,
        input={
            **model_input.input,
            **{
                name: _link_input(model_input.input[name], inline_bytes_max)
                for name in model_input.images
            },
        },
    )


def link(key: str, *, seconds: int) -> str:
    """Sign a link to an object that is good for this long, and no longer than the credentials it was signed with."""
    url: str = client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": settings().media_bucket, "Key": key}, ExpiresIn=seconds
    )
    return url


def _link_input(image: object, inline_bytes_max: int) -> object:
    if isinstance(image, list):
        return [_link_input(item, inline_bytes_max) for item in image]
    if str(image).startswith("https://"):
        return image
    return _inline(str(image), inline_bytes_max) or link(
        str(image), seconds=settings().link_seconds
    )


def _inline(key: str, bytes_max: int) -> str | None:
    """Give an image of ours as a data URL (RFC 2397); None when it is too large for one, or none is wanted."""
    if not bytes_max:
        return None
    found = client("s3").get_object(Bucket=settings().media_bucket, Key=key)
    if found["ContentLength"] > bytes_max:
        return None
    return f"data:{found['ContentType']};base64,{b64encode(found['Body'].read()).decode()}"
