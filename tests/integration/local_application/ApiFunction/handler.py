"""HTTP API: return the event and the runtime, or fail as the body requests."""

import importlib.util
import json
import os
import sys
import time
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    if event["routeKey"] == "POST /misbehave":
        return misbehave(json.loads(event["body"]))
    runtime = {
        "environment": dict(os.environ),
        "path": sys.path,
        "process": os.getpid(),
        "sees_moto": importlib.util.find_spec("moto") is not None,
    }
    return {"event": event, "runtime": runtime, "function": context.function_name}


def misbehave(request: dict[str, Any]) -> Any:
    match request["do"]:
        case "raise":
            raise LookupError("as you wish")
        case "exit":
            os._exit(3)
        case "sleep":
            time.sleep(request["seconds"])
    return request.get("answer")
