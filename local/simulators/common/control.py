"""The routes that all simulators have and the real providers do not have."""

from typing import Any

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
