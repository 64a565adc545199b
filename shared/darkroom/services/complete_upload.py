"""Completes an upload: converts the uploaded file into an input image."""

from __future__ import annotations

from darkroom import clock
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.domain.uploads import Upload
from darkroom.media import input_images, uploaded_files
from darkroom.observability import logger
from darkroom.storage import uploads


def complete(account: AccountId, upload_id: str) -> Upload:
    """Convert the uploaded file into a valid model input, and return the upload.

    The call is idempotent. Raises NotFound, and InvalidRequest if no file has arrived or if the
    file is not a usable image.
    """
    upload = uploads.read(account, upload_id, now=clock.now())
    if upload.image is None:
        upload = _fit(upload)
    # An earlier request may have recorded the image and failed before it deleted the file.
    uploaded_files.delete_original(upload)
    return upload


def _fit(upload: Upload) -> Upload:
    body = uploaded_files.read_original(upload)
    if body is None:
        return _read_completed(upload)
    try:
        image, fitted = input_images.fit(body)
    except input_images.UnusableImage as error:
        raise InvalidRequest(
            [FieldError("upload_id", f"{error} Announce a new upload and send another file.")]
        ) from error
    logger.info("upload prepared", upload_id=upload.upload_id, content_type=image.content_type)
    uploaded_files.put_input(upload, image, fitted)
    return uploads.record_image(upload, image)


def _read_completed(upload: Upload) -> Upload:
    """Read the upload again if its file is missing: a concurrent request may have completed it.

    Raises InvalidRequest if no file has arrived.
    """
    upload = uploads.read(upload.account, upload.upload_id, now=clock.now())
    if upload.image is None:
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
