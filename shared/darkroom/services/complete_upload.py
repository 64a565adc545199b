"""Completes an upload: converts the uploaded file into input images."""

from __future__ import annotations

from dataclasses import replace

from darkroom import clock
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.domain.limits import Act
from darkroom.domain.uploads import UnusableImage, Upload
from darkroom.media.inputs import conversion, uploaded_files
from darkroom.observability import logger
from darkroom.storage import rate_limits, uploads


def complete(account: AccountId, upload_id: str) -> Upload:
    """Convert the uploaded file into a valid model input, and return the upload.

    The call is idempotent. It counts against the limit only if it reads the file. Raises NotFound,
    TooManyUploads, and InvalidRequest if no file has arrived or if the file is not a usable image.
    A file that is not usable is rejected for good and deleted.
    """
    now = clock.now()
    upload = uploads.read(account, upload_id, now=now)
    if not upload.is_decided:
        rate_limits.count(account, Act.COMPLETES, now=now)
        upload = _fit(upload)
    # An earlier request may have recorded the images and failed before it deleted the file.
    uploaded_files.delete_original(upload)
    if upload.rejection is not None:
        raise InvalidRequest([FieldError("upload_id", upload.rejection)])
    return upload


def _fit(upload: Upload) -> Upload:
    """Convert the file and record the input images, or record that the file is rejected."""
    try:
        body = uploaded_files.read_original(upload)
        if body is None:
            return _read_decided(upload)
        converted = conversion.fit(body)
    except UnusableImage as error:
        logger.info("upload rejected", upload_id=upload.upload_id)
        return uploads.record_rejection(
            upload, f"{error} Announce a new upload and send another file."
        )
    files = converted.files
    completed = replace(
        upload,
        images=tuple(file.image for file in files),
        original_size=converted.original_size,
    )
    for file in files:
        uploaded_files.put_input(completed, file.image, file.body)
    logger.info(
        "upload prepared",
        upload_id=upload.upload_id,
        content_type=files[-1].image.content_type,
        images=len(files),
    )
    return uploads.record_images(completed)


def _read_decided(upload: Upload) -> Upload:
    """Read the upload again if its file is missing: a concurrent request may have decided.

    Raises InvalidRequest if no file has arrived.
    """
    upload = uploads.read(upload.account, upload.upload_id, now=clock.now())
    if not upload.is_decided:
        raise InvalidRequest(
            [
                FieldError(
                    "upload_id",
                    "No file has arrived. First send the file to the upload's `url`, "
                    "with its `fields`.",
                )
            ]
        )
    return upload
