"""The environment in which this process uses the application's services on the running stack."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from local.description import StackDescription
from local.sam_local.files import function_variables

# The function with the most settings: it also has PUBLIC_URL.
_FUNCTION = "RequestPredictionFunction"


class RealProvider(Exception):
    """The stack uses the real Replicate. A sample event would buy predictions."""


def enter(stack: StackDescription) -> None:
    """Set the environment variables. Call this before the first import of `darkroom`.

    Raises RealProvider if predictions of the stack cost money.
    """
    if not stack.is_simulated:
        raise RealProvider(
            "The stack uses the real Replicate, and sample events would buy predictions. Start"
            " `make run` without REPLICATE_API_TOKEN, or name the file of an event of your own."
        )
    hosts = dict.fromkeys(
        (
            "127.0.0.1",
            urlsplit(stack.api_url).hostname or "",
            urlsplit(stack.aws_url).hostname or "",
        )
    )
    os.environ.update(
        {
            **function_variables(stack.functions[_FUNCTION]),
            # This process does the work of several functions, so no role of a function is enough.
            "AWS_ACCESS_KEY_ID": stack.access_key_id,
            "AWS_SECRET_ACCESS_KEY": stack.secret_access_key,
            # A proxy of this machine must not get requests to the machine's own addresses.
            "NO_PROXY": ",".join(hosts),
            "no_proxy": ",".join(hosts),
            "POWERTOOLS_LOG_LEVEL": "CRITICAL",
            "POWERTOOLS_TRACE_DISABLED": "true",
        }
    )
    # The user's own profile could name another endpoint.
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        os.environ.pop(name, None)
