"""The objects of an upload: the original file, and the input images that are made from it."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from darkroom.aws.clients import client
from darkroom.domain.uploads import FittedImage, UnusableImage, Upload
from darkroom.media.bucket import is_missing
from darkroom.settings import settings


def sign_form(upload: Upload, content_type: str) -> dict[str, Any]:
    """Sign the form (`url` and `fields`) by which a browser sends the file directly to the bucket.

    The form accepts only this key and content type, and 1 to `bytes_max` bytes
    (docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html).
    """
    form: dict[str, Any] = client("s3").generate_presigned_post(
        settings().media_bucket,
        upload.original_key,
        Fields={"Content-Type": content_type},
        Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, upload.bytes_max]],
        ExpiresIn=settings().upload_link_seconds,
    )
    return form


def read_original(upload: Upload) -> bytes | None:
    """Return the bytes of the original file, or None if no file has arrived.

    Raises UnusableImage if the file has more bytes than the upload announced.
    """
    try:
        found = client("s3", bulky=True).get_object(
            Bucket=settings().media_bucket, Key=upload.original_key
        )
    except ClientError as error:
        if not is_missing(error, upload.original_key):
            raise
        return None
    if found["ContentLength"] > upload.bytes_max:
        raise UnusableImage(f"The file has more than the announced {upload.bytes_max} bytes.")
    body: bytes = found["Body"].read()
    return body


def put_input(upload: Upload, image: FittedImage, body: bytes) -> None:
    """Store one input image of an upload. The call is idempotent."""
    client("s3", bulky=True).put_object(
        Bucket=settings().media_bucket,
        Key=upload.key(image),
        Body=body,
        ContentType=image.content_type,
    )


def delete_original(upload: Upload) -> None:
    """Delete the original file. Its metadata can contain the place and the camera of the image."""
    client("s3").delete_object(Bucket=settings().media_bucket, Key=upload.original_key)
