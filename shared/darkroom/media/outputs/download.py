"""Downloads outputs from providers: from the delivery hosts only, to a temporary file."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from http import HTTPStatus
from typing import IO

import requests

from darkroom.domain.errors import GenerationFailed, OutputUnavailable
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.urls import host_of, is_delivery_url
from darkroom.http_guard import (
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    AddressRefused,
    guarded_session,
)
from darkroom.observability import logger
from darkroom.settings import settings

_CHUNK_BYTES = 1 << 16
_MEMORY_BYTES_MAX = 8 << 20
_ASKS_FOR_TOKEN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


def fetch_output(url: str, token_headers: Callable[[str], Mapping[str, str]]) -> IO[bytes]:
    """Download a whole output. Return the file at its start. The caller closes it.

    The request has no provider token: the delivery hosts do not require one
    (replicate.com/docs/topics/predictions/output-files). If a host answers 401 or 403, the request
    is repeated with the headers that `token_headers` returns for the URL, if it returns any.

    Raises OutputUnavailable if a retry may help, also for 403 and 404, because a file may come
    later than its link. Raises GenerationFailed if no retry helps, if the host is not a delivery
    host, or if the output is larger than `output_bytes_max`.
    """
    if not _is_delivery_url(url):
        raise _host_refused(url, "not a delivery host")
    try:
        with _get(url, {}) as response:
            if response.status_code not in _ASKS_FOR_TOKEN or not (headers := token_headers(url)):
                return _whole_file(response)
        with _get(url, headers) as response:
            return _whole_file(response)
    except AddressRefused as error:
        raise _host_refused(url, "an address that Darkroom does not call") from error
    except (requests.exceptions.RequestException, ValueError) as error:
        # A ValueError: the host redirects to a URL that cannot be parsed.
        raise OutputUnavailable(type(error).__name__) from error


def _get(url: str, headers: Mapping[str, str]) -> requests.Response:
    return _session().get(
        url,
        headers=headers,
        stream=True,
        allow_redirects=False,
        timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
    )


def _whole_file(response: requests.Response) -> IO[bytes]:
    status = response.status_code
    if status == HTTPStatus.OK:
        return _read_body(response)
    logger.warning("output not sent", status=status, host=host_of(response.url))
    target = response.headers.get("Location", "")
    # A target without a host stays on this host.
    if host_of(target) and not _is_delivery_url(target):
        raise _host_refused(target, "a redirect")
    if status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.GONE:
        # A later request would get the same answer.
        raise GenerationFailed(failure(FailureCode.OUTPUT_UNAVAILABLE))
    raise OutputUnavailable(str(status))


def _is_delivery_url(url: str) -> bool:
    return is_delivery_url(url, settings().delivery_hosts, settings().private_hosts)


def _host_refused(url: str, cause: str) -> GenerationFailed:
    """Log the host of a URL, and return the error to raise. The operator may have to allow it."""
    logger.error("output host refused", host=host_of(url), cause=cause)
    return GenerationFailed(failure(FailureCode.OUTPUT_HOST_REFUSED))


def _read_body(response: requests.Response) -> IO[bytes]:
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES_MAX))
        give_up_at = time.monotonic() + settings().output_seconds_max
        for chunk in response.iter_content(_CHUNK_BYTES):
            file.write(chunk)
            _check(file.tell(), give_up_at)
        file.seek(0)
        # The download is complete. From now on the caller closes the file.
        stack.pop_all()
        return file


def _check(bytes_count: int, give_up_at: float) -> None:
    if bytes_count > settings().output_bytes_max:
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED))
    # The socket's timeout restarts with each received byte, so it does not bound the download.
    if time.monotonic() > give_up_at:
        raise OutputUnavailable("slow")


@cache
def _session() -> requests.Session:
    return guarded_session(settings().private_hosts)
