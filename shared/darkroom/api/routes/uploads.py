"""The route that announces an upload. Completing it is the function prepare_upload."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.responses import json_response, returns
from darkroom.schemas import responses
from darkroom.schemas.requests import UploadRequest
from darkroom.services.announce_upload import announce

routes = Routes()


@routes.post("/uploads", tags=["uploads"])
@returns({HTTPStatus.CREATED: responses.UploadFormResponse})
def announce_upload(request: Annotated[UploadRequest, Body()]) -> Response[str]:
    """Sign a form by which an image goes straight to the bucket. Complete the upload to use it as an input."""
    upload, form = announce(
        routes.user().account, request.content_type, bytes_max=request.bytes, now=clock.now()
    )
    return json_response(HTTPStatus.CREATED, {"upload_id": upload.upload_id, **form})
