"""HTTP API: check an uploaded image and make it a valid model input."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.api.app import HttpApi
from darkroom.api.auth import current_user
from darkroom.api.responses import json_response
from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.domain.uploads import Upload
from darkroom.media import input_images
from darkroom.observability import logger, metrics, tracer
from darkroom.schemas.views import upload_response
from darkroom.settings import settings
from darkroom.storage import uploads

app = HttpApi(body_bytes_max=settings().body_bytes_max)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request."""
    return app.resolve(event, context)


@app.post("/uploads/<upload_id>/complete")
def complete_upload(upload_id: str) -> Response[str]:
    """Make the image that was sent fit to be an input. Completing again gives the same answer."""
    upload = uploads.read(current_user(app.claims()).account, upload_id, now=clock.now())
    if upload.image is None:
        upload = _made_fit(upload)
    # Also when it is completed again: the first time may have come to its end before this.
    uploads.discard_original(upload)
    return json_response(HTTPStatus.OK, upload_response(upload))


def _made_fit(upload: Upload) -> Upload:
    body = uploads.original(upload)
    if body is None:
        return _completed_by_another(upload)
    try:
        image, fitted = input_images.fitted(body)
    except input_images.UnusableImage as error:
        raise InvalidRequest([FieldError("upload_id", f"{error} Announce a new upload and send another file.")]) from error
    logger.info("upload prepared", upload_id=upload.upload_id, content_type=image.content_type)
    return uploads.keep(upload, image, fitted)


def _completed_by_another(upload: Upload) -> Upload:
    """Look again for an upload whose file is not there: who completes it takes the file away."""
    upload = uploads.read(upload.account, upload.upload_id, now=clock.now())
    if upload.image is None:
        raise InvalidRequest([FieldError("upload_id", "Nothing has arrived yet. Send the file to the upload's url first, with its fields.")])
    return upload
