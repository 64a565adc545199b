"""Completes an upload: makes an input image of the file that arrived."""

from __future__ import annotations

from darkroom import clock
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.domain.uploads import Upload
from darkroom.media import input_images, uploaded_files
from darkroom.observability import logger
from darkroom.storage import uploads


def complete(account: AccountId, upload_id: str) -> Upload:
    """Make the uploaded file fit to be an input, and return the upload. Completing it again returns the same.

    Raises NotFound, and InvalidRequest when nothing has arrived, or when the file is no image that can be an input.
    """
    upload = uploads.read(account, upload_id, now=clock.now())
    if upload.image is None:
        upload = _fit(upload)
    # Also when it was completed before: that request may have ended before this.
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
    """Read an upload again whose file is gone: the request that completes it deletes the file."""
    upload = uploads.read(upload.account, upload.upload_id, now=clock.now())
    if upload.image is None:
        raise InvalidRequest(
            [
                FieldError(
                    "upload_id",
                    "Nothing has arrived yet. Send the file to the upload's url first, with its fields.",
                )
            ]
        )
    return upload
