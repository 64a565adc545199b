"""The routes that all simulators have and the real providers do not have."""

from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import BadRequest
from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from local.simulators.common.faults import FaultInjector
from local.simulators.common.routing import JsonRequest, json_response


def fault_rule(faults: FaultInjector[Any, Any]) -> Rule:
    """Return the route `/faults`: GET reads the fault settings, and PUT replaces them."""

    def respond(request: JsonRequest) -> Response:
        if request.method == "PUT":
            faults.set(request.document())
        return json_response(faults.document())

    return Rule("/faults", methods=["GET", "PUT"], endpoint=respond)


def next_fault_rule(faults: FaultInjector[Any, Any]) -> Rule:
    """Return the route `/faults/next`: PUT sets the outcome of the next prediction with a prompt.

    The body has the `prompt`, and the `faults` that replace the settings for this prediction. Only
    faults of predictions count, not those of requests, webhooks and downloads.
    """

    def respond(request: JsonRequest) -> Response:
        match request.document():
            case {"prompt": str() as prompt, "faults": dict() as document, **rest} if not rest:
                faults.set_for_next(prompt, document)
                return Response(status=HTTPStatus.NO_CONTENT)
        raise BadRequest("The body must have the text prompt and the object faults.")

    return Rule("/faults/next", methods=["PUT"], endpoint=respond)
