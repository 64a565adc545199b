"""A gateway in front of the WebUI, such as nginx or a tunnel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus

from werkzeug.wrappers import Response

from local.simulators.stable_diffusion import problems
from local.simulators.stable_diffusion.faults import FaultSettings

_LOGIN_PAGE = "<!DOCTYPE html><html><body><form>Login</form></body></html>"


def respond_through_gateway(respond: Callable[[], Response], settings: FaultSettings) -> Response:
    """Return the response, or the gateway's error if the response takes `gateway_seconds`.

    Nothing tells the server that the client has left, so the run goes on. nginx waits 60 seconds
    (`proxy_read_timeout`) and responds with 504. Cloudflare waits 100 seconds and responds with
    524.
    """
    if not settings.gateway_seconds:
        return respond()
    responses: list[Response] = []
    is_done = threading.Event()

    def work() -> None:
        try:
            responses.append(respond())
        except ConnectionAbortedError:
            pass
        finally:
            is_done.set()

    threading.Thread(target=work, name="behind the gateway", daemon=True).start()
    if is_done.wait(settings.gateway_seconds) and responses:
        return responses[0]
    return problems.gateway_error(int(settings.gateway_status)).response()


def login_page() -> Response:
    """Return the login page of a gateway, with status 200."""
    return Response(_LOGIN_PAGE, HTTPStatus.OK, content_type="text/html; charset=utf-8")


def login_redirect() -> Response:
    """Return a redirect to the login page of a gateway."""
    return Response("", HTTPStatus.FOUND, headers={"Location": "https://login.example/?next=sdapi"})
