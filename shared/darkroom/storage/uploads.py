"""The record of an upload, and its objects: what the user sends, and what is made of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from uuid6 import uuid7

from darkroom.aws.clients import client
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import FieldError, InvalidRequest, NotFound
from darkroom.domain.ids import is_id
from darkroom.domain.uploads import FittedImage, Upload
from darkroom.settings import settings
from darkroom.storage.job_rows import account_of, partition
from darkroom.storage.table import UploadRow
from darkroom.storage.transactions import update

_PREFIX = "UPLOAD#"


def announce(account: AccountId, content_type: str, *, bytes_max: int, now: datetime) -> tuple[Upload, dict[str, Any]]:
    """Write a new upload down, and sign the form (`url` and `fields`) by which its bytes go straight to the bucket.

    The form takes exactly this key and type, and 1 to `bytes_max` bytes
    (docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html).
    """
    upload = Upload(account, str(uuid7()), bytes_max, now + timedelta(hours=settings().upload_hours))
    UploadRow(partition(account), _PREFIX + upload.upload_id, bytes_max=bytes_max, expires_at=int(upload.expires_at.timestamp())).save()
    form: dict[str, Any] = client("s3").generate_presigned_post(
        settings().media_bucket,
        upload.original_key,
        Fields={"Content-Type": content_type},
        Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, bytes_max]],
        ExpiresIn=settings().upload_link_seconds,
    )
    return upload, form


def read(account: AccountId, upload_id: str, *, now: datetime) -> Upload:
    """Read an upload. Raises NotFound, also for somebody else's and for one that is too old."""
    if not is_id(upload_id):
        raise NotFound("upload")
    upload = _read(account, upload_id)
    if upload.expires_at <= now:
        raise NotFound("upload")
    return upload


def prepared_key(account: AccountId, upload_id: str, *, now: datetime) -> str:
    """Name the object of an upload that is fit to be an input. Raises NotFound when there is none."""
    upload = read(account, upload_id, now=now)
    if upload.image is None:
        raise NotFound("upload")
    return upload.key(upload.image)


def original(upload: Upload) -> bytes | None:
    """Read what the user sent; None when nothing is there. Raises InvalidRequest when it is more than was announced."""
    try:
        found = client("s3", bulky=True).get_object(Bucket=settings().media_bucket, Key=upload.original_key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None
    if found["ContentLength"] > upload.bytes_max:
        raise InvalidRequest([FieldError("upload_id", f"Has more than the {upload.bytes_max} bytes that were announced.")])
    body: bytes = found["Body"].read()
    return body


def keep(upload: Upload, image: FittedImage, body: bytes) -> Upload:
    """Store what was made of an upload, and write it down. It may be repeated at any point; what was written down first stays."""
    client("s3", bulky=True).put_object(Bucket=settings().media_bucket, Key=upload.key(image), Body=body, ContentType=image.content_type)
    row = UploadRow(partition(upload.account), _PREFIX + upload.upload_id)
    noted = update(
        row,
        [UploadRow.content_type.set(image.content_type), UploadRow.width.set(image.width), UploadRow.height.set(image.height)],
        UploadRow.bytes_max.exists() & UploadRow.content_type.does_not_exist(),
    )
    # Somebody else may have been quicker, or so slow that the upload is too old by now.
    return _to_upload(row) if noted else _read(upload.account, upload.upload_id)


def discard_original(upload: Upload) -> None:
    """Throw away what the user sent, which may tell more than the image: where it was taken, and by what."""
    client("s3").delete_object(Bucket=settings().media_bucket, Key=upload.original_key)


def _read(account: AccountId, upload_id: str) -> Upload:
    try:
        return _to_upload(UploadRow.get(partition(account), _PREFIX + upload_id, consistent_read=True))
    except UploadRow.DoesNotExist:
        raise NotFound("upload") from None


def _to_upload(row: UploadRow) -> Upload:
    image = FittedImage(row.content_type, int(row.width), int(row.height)) if row.content_type else None
    expires_at = datetime.fromtimestamp(int(row.expires_at), UTC)
    return Upload(account_of(row.pk), row.sk.removeprefix(_PREFIX), int(row.bytes_max), expires_at, image)
