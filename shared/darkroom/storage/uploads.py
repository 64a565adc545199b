"""Creates, reads and completes the records of uploads."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pynamodb.expressions.condition import Condition
from uuid6 import uuid7

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import NotFound
from darkroom.domain.ids import is_id
from darkroom.domain.uploads import Upload
from darkroom.settings import settings
from darkroom.storage.job_rows import partition
from darkroom.storage.transactions import update_without_reading
from darkroom.storage.upload_rows import UPLOAD_PREFIX, UploadRow, set_images, to_upload

_IS_UNDECIDED: Condition = (
    UploadRow.bytes_max.exists()
    & UploadRow.content_type.does_not_exist()
    & UploadRow.rejection.does_not_exist()
)


def create(account: AccountId, *, bytes_max: int, now: datetime) -> Upload:
    """Create an upload of at most `bytes_max` bytes.

    It expires after `upload_hours` (see Settings).
    """
    upload = Upload(
        account, str(uuid7()), bytes_max, now + timedelta(hours=settings().upload_hours)
    )
    UploadRow(
        partition(account),
        UPLOAD_PREFIX + upload.upload_id,
        bytes_max=bytes_max,
        expires_at=int(upload.expires_at.timestamp()),
    ).save()
    return upload


def read(account: AccountId, upload_id: str, *, now: datetime) -> Upload:
    """Return an upload. Raises NotFound if it does not exist in this account, or has expired."""
    if not is_id(upload_id):
        raise NotFound("upload")
    upload = _read(account, upload_id)
    if upload.expires_at <= now:
        raise NotFound("upload")
    return upload


def input_key(account: AccountId, upload_id: str, *, now: datetime) -> str:
    """Return the object key of the smallest image of an upload.

    Raises NotFound for an upload that is not complete.
    """
    upload = read(account, upload_id, now=now)
    if not upload.images:
        raise NotFound("upload")
    return upload.key(upload.images[0])


def record_images(upload: Upload) -> Upload:
    """Record the images of an upload, and return the upload.

    If images or a rejection are recorded already, they stay.
    """
    row = UploadRow(partition(upload.account), UPLOAD_PREFIX + upload.upload_id)
    is_recorded = update_without_reading(row, set_images(upload), _IS_UNDECIDED)
    # Otherwise another request has decided, or the record is gone because it expired.
    return upload if is_recorded else _read(upload.account, upload.upload_id)


def record_rejection(upload: Upload, message: str) -> Upload:
    """Record that the file of an upload is not usable, and return the upload.

    If images or a rejection are recorded already, they stay.
    """
    row = UploadRow(partition(upload.account), UPLOAD_PREFIX + upload.upload_id)
    is_recorded = update_without_reading(row, [UploadRow.rejection.set(message)], _IS_UNDECIDED)
    return (
        replace(upload, rejection=message)
        if is_recorded
        else _read(upload.account, upload.upload_id)
    )


def _read(account: AccountId, upload_id: str) -> Upload:
    try:
        return to_upload(
            UploadRow.get(partition(account), UPLOAD_PREFIX + upload_id, consistent_read=True)
        )
    except UploadRow.DoesNotExist:
        raise NotFound("upload") from None
