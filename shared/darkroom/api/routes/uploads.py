"""The route that announces an upload. The function prepare_upload serves `complete_upload`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.openapi import JSON_BODY, SIGNED_IN, links, problems, response
from darkroom.api.responses import json_response
from darkroom.domain import errors
from darkroom.schemas.requests import UploadRequest
from darkroom.schemas.responses import UploadFormResponse
from darkroom.services.announce_upload import announce

routes = Routes()


@routes.post(
    "/uploads",
    operation_id="announce_upload",
    summary="Announce an upload",
    description=(
        "Returns a signed form with which you send an image directly to the bucket. Then complete "
        "the upload. A completed upload can be an input of a job."
    ),
    tags=["uploads"],
    responses={
        201: response(
            "The form of the upload.",
            UploadFormResponse,
            links=links("upload_id", "/upload_id", "complete_upload"),
        ),
        **problems(*SIGNED_IN, *JSON_BODY, errors.TooManyUploads),
    },
)
def announce_upload(request: Annotated[UploadRequest, Body()]) -> Response[str]:
    """Sign a form for the upload of an image."""
    upload, form = announce(
        routes.user().account, request.content_type, bytes_max=request.bytes, now=clock.now()
    )
    return json_response(HTTPStatus.CREATED, {"upload_id": upload.upload_id, **form})
