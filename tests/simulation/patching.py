"""Replaces time, randomness, AWS, the provider and HTTP with a simulated environment.

The project's own code stays as it is.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, tzinfo
from functools import cache
from io import BytesIO
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import botocore.client
import httpx
import requests
import standardwebhooks.webhooks
import urllib3
import uuid6
from botocore.exceptions import ClientError

from darkroom import clock
from tests.aws import TEMPLATE, folder_of, forget_settings, handler_of
from tests.simulation.calls import Fault, Request
from tests.simulation.memory_table import TableError
from tests.simulation.other_providers import RUNWAY_HOST, WEBUI_HOST, webui_response
from tests.simulation.replicate_model import BASE_URL, DELIVERY_HOST

if TYPE_CHECKING:
    from tests.simulation.environment import Environment

FUNCTIONS = {
    folder_of(name): name
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
}
PUBLIC_URL = "https://darkroom.test"
_VARIABLES = {
    "PUBLIC_URL": PUBLIC_URL,
    "REPLICATE_BASE_URL": BASE_URL,
    "DELIVERY_HOSTS": DELIVERY_HOST,
    "PRIVATE_HOSTS": f"{DELIVERY_HOST},callback.test",
    "RUNWAY_BASE_URL": f"http://{RUNWAY_HOST}",
    "RUNWAY_KEY_SECRET": "runway-key",
    "STABLE_DIFFUSION_URL": f"http://{WEBUI_HOST}",
    "STABLE_DIFFUSION_LOGIN_SECRET": "webui-login",
    "POWERTOOLS_METRICS_DISABLED": "true",
}


class _Current:
    """Holds the environment in which the handlers run."""

    environment: Environment


class _SeededRandom:
    """Replaces the module `random` with the generator of the current environment."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_Current.environment.rng, name)


@contextmanager
def patched_environment(environment: Environment, **variables: str) -> Iterator[None]:
    """Run the handlers in this environment, with these environment variables."""
    _import_handlers()
    _Current.environment = environment
    with mock.patch.dict(os.environ, _VARIABLES | variables):
        forget_settings()
        with ExitStack() as stack:
            for target, name, replacement in _replacements():
                stack.callback(setattr, target, name, getattr(target, name))
                setattr(target, name, replacement)
            logging.disable(logging.CRITICAL)
            stack.callback(logging.disable, logging.NOTSET)
            yield
    forget_settings()


@cache
def _import_handlers() -> None:
    """Import every handler. All modules that need patches are then loaded."""
    for function in FUNCTIONS:
        handler_of(function)


@cache
def _virtual_modules() -> dict[ModuleType, Any]:
    """Return the replacements of the modules `time`, `random` and `secrets`."""
    rng: Any = _SeededRandom()

    def random_bits(count: int) -> int:
        number: int = rng.getrandbits(count)
        return number

    def random_bytes(count: int) -> bytes:
        found: bytes = rng.randbytes(count)
        return found

    virtual_time = SimpleNamespace(
        time=_timestamp,
        monotonic=_timestamp,
        time_ns=lambda: int(_timestamp() * 1e9),
        sleep=lambda _: None,
    )
    secret = SimpleNamespace(
        token_hex=lambda count: random_bytes(count).hex(),
        token_bytes=random_bytes,
        randbits=random_bits,
    )
    return {time: virtual_time, random: rng, secrets: secret}


@cache
def _replaced_modules() -> tuple[tuple[ModuleType, str, Any], ...]:
    project_modules = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith(("darkroom.", "functions."))
    ]
    return tuple(
        (module, name, _virtual_modules()[value])
        for module in (*project_modules, uuid6)
        for name, value in list(vars(module).items())
        if isinstance(value, ModuleType) and value in _virtual_modules()
    )


def _timestamp() -> float:
    return _Current.environment.event_queue.now.timestamp()


def _replacements() -> Iterator[tuple[Any, str, Any]]:
    yield clock, "now", lambda: _Current.environment.event_queue.now
    yield standardwebhooks.webhooks, "datetime", _VirtualDatetime
    yield (
        botocore.client.BaseClient,
        "_make_api_call",
        lambda client, operation, request: _call_aws(
            _Current.environment, client, operation, request
        ),
    )
    yield (
        httpx.HTTPTransport,
        "handle_request",
        lambda _, request: _call_provider(_Current.environment, request),
    )
    yield (
        requests.adapters.HTTPAdapter,
        "send",
        lambda _, request, **__: _send_http(_Current.environment, request),
    )
    yield uuid6, "_last_v7_timestamp", None
    yield from _replaced_modules()


class _VirtualDatetime(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return _Current.environment.event_queue.now.astimezone(tz or UTC)


def _call_aws(environment: Environment, client: Any, operation: str, request: Any) -> Any:
    service = client.meta.service_model.service_name

    def error(code: str, members: Any) -> ClientError:
        details = {"Error": {"Code": code, "Message": members.pop("Message", code)}, **members}
        made: ClientError = client.exceptions.from_code(code)(details, operation)
        return made

    def perform() -> Any:
        try:
            return environment.cloud.call(service, operation, request)
        except TableError as refused:
            raise error(refused.code, dict(refused.members)) from None

    def fault_error(fault: Fault) -> Exception:
        if not fault.reasons:
            return error(fault.code, {})
        if operation != "TransactWriteItems":
            return error("ThrottlingException", {})
        others = [{"Code": "None"} for _ in request["TransactItems"][len(fault.reasons) :]]
        return error(
            fault.code,
            {"CancellationReasons": [*({"Code": reason} for reason in fault.reasons), *others]},
        )

    return environment.call_external(
        Request(f"{service}.{operation}", perform, fault_error, request)
    )


def _call_provider(environment: Environment, request: httpx.Request) -> httpx.Response:
    def fault_error(fault: Fault) -> Exception:
        return (
            httpx.ReadTimeout("no response", request=request)
            if fault.after
            else httpx.ConnectError("connection refused", request=request)
        )

    # Without the ids of predictions and tasks, the same call has the same name in every run.
    parts = request.url.path.split("/")[2:]
    path = "/".join(part for part in parts if not part.startswith(("p0", "task-")))
    name = f"provider {request.method} {path}"
    provider = environment.runway if request.url.host == RUNWAY_HOST else environment.replicate
    return environment.call_external(Request(name, lambda: provider.respond(request), fault_error))


def _send_http(environment: Environment, request: requests.PreparedRequest) -> requests.Response:
    def perform() -> requests.Response:
        url = str(request.url)
        if WEBUI_HOST in url:
            status, body = webui_response(request)
        elif DELIVERY_HOST in url:
            status, body = (
                (200, file)
                if (file := environment.runway.file(url))
                else environment.replicate.file(url)
            )
        else:
            status, body = environment.receive_callback(request)
        return _response(request, status, body)

    return environment.call_external(
        Request(
            f"http {request.method}",
            perform,
            lambda _: requests.exceptions.ConnectionError("no response"),
        )
    )


def _response(request: requests.PreparedRequest, status: int, body: bytes) -> requests.Response:
    response = requests.Response()
    response.status_code, response.url, response.request = status, str(request.url), request
    response.raw = urllib3.HTTPResponse(BytesIO(body), status=status, preload_content=False)
    return response
