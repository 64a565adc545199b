"""Lambda's Invoke operation.

Source: Lambda API Reference, "Invoke".
"""

import json
import logging
import re
from http import HTTPStatus
from threading import Thread
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from local.lambda_runtime.concurrency import ExecutionEnvironments, TooManyRequests
from local.lambda_runtime.functions import function_name

logger = logging.getLogger(__name__)

PAYLOAD_BYTES_MAX = 6 * 1024 * 1024
ASYNCHRONOUS_PAYLOAD_BYTES_MAX = 1024 * 1024
_PATH = re.compile(r"/2015-03-31/functions/(?P<reference>.+)/invocations")


def is_invocation(path: str) -> bool:
    """Return whether a path is the path of the Invoke operation."""
    return _PATH.fullmatch(path) is not None


def respond_to_invocation(environments: ExecutionEnvironments, request: Request) -> Response:
    """Respond to an Invoke request as Lambda does.

    An asynchronous invocation runs once, without retries. Lambda retries a failed one twice, after
    one minute and after two minutes.
    """
    found = _PATH.fullmatch(request.path)
    if not found:
        raise ValueError(f"{request.path} is not a path of the Invoke operation")
    name = function_name(unquote(found["reference"]))
    payload = request.get_data() or b"{}"
    if not environments.has(name):
        return _refusal(
            HTTPStatus.NOT_FOUND, "ResourceNotFoundException", f"Function not found: {name}"
        )
    match request.headers.get("X-Amz-Invocation-Type", "RequestResponse"):
        case "DryRun":
            return Response(status=HTTPStatus.NO_CONTENT)
        case "Event":
            if len(payload) > ASYNCHRONOUS_PAYLOAD_BYTES_MAX:
                return _too_large(ASYNCHRONOUS_PAYLOAD_BYTES_MAX)
            Thread(target=_invoke_later, args=(environments, name, payload), daemon=True).start()
            return Response(status=HTTPStatus.ACCEPTED)
    if len(payload) > PAYLOAD_BYTES_MAX:
        return _too_large(PAYLOAD_BYTES_MAX)
    return _invoke(environments, name, payload)


def _invoke(environments: ExecutionEnvironments, name: str, payload: bytes) -> Response:
    try:
        response = environments.invoke(name, payload)
    except TooManyRequests:
        return _refusal(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.")
    headers = {"X-Amz-Executed-Version": "1"}
    if response.failed:
        headers["X-Amz-Function-Error"] = "Unhandled"
    return Response(response.payload, headers=headers, content_type="application/json")


def _invoke_later(environments: ExecutionEnvironments, name: str, payload: bytes) -> None:
    try:
        response = environments.invoke(name, payload)
    except TooManyRequests:
        logger.warning(
            "an asynchronous invocation of %s was dropped: no execution environment became free",
            name,
        )
        return
    if response.failed:
        logger.warning(
            "an asynchronous invocation of %s failed: %s", name, response.payload.decode()
        )


def _too_large(bytes_max: int) -> Response:
    message = f"Request must be smaller than {bytes_max} bytes for the InvokeFunction operation"
    return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestTooLargeException", message)


def _refusal(status: HTTPStatus, code: str, message: str) -> Response:
    body = json.dumps({"Type": "User", "Message": message, "message": message})
    return Response(
        body, status, headers={"X-Amzn-ErrorType": code}, content_type="application/json"
    )
