"""The private media bucket. Users and providers read its objects by signed links only."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import IO

from botocore.exceptions import ClientError

from darkroom import clock
from darkroom.aws.clients import client
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, ModelInput
from darkroom.media import links
from darkroom.settings import settings

MEDIA_PREFIX = "media/"
_MEMORY_BYTES_MAX = 8 << 20
# A browser stores an object and asks S3 for a 304 before each use. S3 sends CORS headers only in
# response to an `Origin`. If a browser used the stored response to `<img>` without asking, `fetch`
# and `<canvas>` would find no CORS headers in it.
_CACHE_CONTROL = "private, no-cache"


class MediaNotDeleted(RuntimeError):
    """The bucket did not delete every object. The message is the error code of S3."""


def prefix_of(account: AccountId, job_id: str) -> str:
    """Return the prefix of all objects of a job."""
    return f"{MEDIA_PREFIX}{account}/{job_id}/"


def new_output_key(job: Job, number: int, extension: str) -> str:
    """Return a new key for an output.

    No other try to store the output has the same key. So a late try cannot replace a delivered
    object by other bytes, and each try deletes its own object only.
    """
    return f"{prefix_of(job.account, job.job_id)}{number}-{secrets.token_hex(4)}.{extension}"


def thumbnail_key(job: Job, number: int) -> str:
    """Return the key of an output's thumbnail."""
    return f"{prefix_of(job.account, job.job_id)}{number}.thumbnail.jpg"


def preview_key(job: Job, number: int, side: int) -> str:
    """Return the key of an output's preview whose longer side has `side` pixels."""
    return f"{prefix_of(job.account, job.job_id)}{number}.{side}.webp"


def put(
    key: str, body: IO[bytes] | bytes, content_type: str, metadata: Mapping[str, str] | None = None
) -> None:
    """Store an object. The call is idempotent. Metadata must be ASCII, at most 2 KB in total."""
    client("s3", bulky=True).put_object(
        Bucket=settings().media_bucket,
        Key=key,
        Body=body,
        ContentType=content_type,
        CacheControl=_CACHE_CONTROL,
        Metadata=dict(metadata or {}),
    )


def metadata_of(job: Job) -> dict[str, str]:
    """Return the metadata of a job's outputs: the job's id and the template.

    A link to an object also shows its metadata, so the metadata contain no text of the user.
    """
    return {"job-id": job.job_id, "template": f"{job.template.code}@{job.template.version}"}


def keys_under(prefix: str) -> list[str]:
    """Return the keys under a prefix, at most 1,000."""
    found = client("s3").list_objects_v2(Bucket=settings().media_bucket, Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]


def is_missing(error: ClientError, key: str) -> bool:
    """Return whether the error of a read says that the object does not exist.

    S3 also says "AccessDenied" for such an object, because no function may list the whole bucket
    (docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html). Then the list of the key decides.
    """
    code = error.response["Error"]["Code"]
    return code == "NoSuchKey" or (code == "AccessDenied" and key not in keys_under(key))


def delete(key: str) -> None:
    """Delete one object. The call is idempotent."""
    client("s3").delete_object(Bucket=settings().media_bucket, Key=key)


def delete_all(account: AccountId, job_id: str) -> None:
    """Delete all objects of a job, including objects that no record names. The call is idempotent.

    Raises MediaNotDeleted if the bucket refuses to delete an object.
    """
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
    """Copy an object of the bucket to a temporary file, and return the file at its start.

    The caller closes the file. Raises GenerationFailed if the object does not exist or is larger
    than `output_bytes_max`.
    """
    s3 = client("s3", bulky=True)
    try:
        found = s3.get_object(Bucket=settings().media_bucket, Key=key)
    except ClientError as error:
        if not is_missing(error, key):
            raise
        raise GenerationFailed(failure(FailureCode.OUTPUT_UNAVAILABLE)) from None
    if found["ContentLength"] > settings().output_bytes_max:
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED))
    file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES_MAX)  # noqa: SIM115
    shutil.copyfileobj(found["Body"], file)
    file.seek(0)
    return file


def link_inputs(model_input: ModelInput, *, inline_bytes_max: int = 0) -> ModelInput:
    """Replace each stored input image by a signed link, which the provider fetches.

    An image of at most `inline_bytes_max` bytes becomes a data URL in the request, for providers
    that cannot read signed links. Call this immediately before the request, because links expire.
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


def _link_input(image: object, inline_bytes_max: int) -> object:
    if isinstance(image, list):
        return [_link_input(item, inline_bytes_max) for item in image]
    if str(image).startswith("https://"):
        return image
    return _inline(str(image), inline_bytes_max) or links.current_window(clock.now()).link(
        str(image)
    )


def _inline(key: str, bytes_max: int) -> str | None:
    """Return a stored image as a data URL (RFC 2397), or None if it is larger than `bytes_max`."""
    if not bytes_max:
        return None
    found = client("s3").get_object(Bucket=settings().media_bucket, Key=key)
    if found["ContentLength"] > bytes_max:
        return None
    return f"data:{found['ContentType']};base64,{b64encode(found['Body'].read()).decode()}"
