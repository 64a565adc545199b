"""The route that completes an upload. It decodes images, so a function of its own serves it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from darkroom.api.app import Routes
from darkroom.api.openapi import SIGNED_IN, problems, response
from darkroom.api.responses import json_response
from darkroom.domain import errors
from darkroom.schemas.responses import UploadResponse
from darkroom.schemas.views import upload_response
from darkroom.services.complete_upload import complete

routes = Routes()

UploadId = Annotated[str, Path(description="The `upload_id` of the announced upload.")]


@routes.post(
    "/uploads/<upload_id>/complete",
    operation_id="complete_upload",
    summary="Complete an upload",
    description=(
        "Checks the image that was sent and makes it a valid input for jobs. A repeated request "
        "returns the same response. A file that is not a usable image is deleted: announce a new "
        "upload."
    ),
    tags=["uploads"],
    responses={
        200: response("The upload is a valid input until `expires_at`.", UploadResponse),
        **problems(*SIGNED_IN, errors.InvalidRequest, errors.NotFound, errors.TooManyUploads),
    },
)
def complete_upload(upload_id: UploadId) -> Response[str]:
    """Check the image that was sent and make it a valid input."""
    return json_response(HTTPStatus.OK, upload_response(complete(routes.user().account, upload_id)))
