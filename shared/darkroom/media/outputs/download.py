"""Downloads outputs from providers: from the delivery hosts only, to a temporary file."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from functools import cache
from http import HTTPStatus
from typing import IO

import requests

from darkroom.domain.errors import GenerationFailed, OutputUnavailable
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.urls import is_delivery_url
from darkroom.http_guard import (
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    AddressRefused,
    guarded_session,
)
from darkroom.settings import settings

_CHUNK_BYTES = 1 << 16
_MEMORY_BYTES_MAX = 8 << 20
_GONE = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


def fetch_output(url: str) -> IO[bytes]:
    """Download a whole output. Return the file at its start. The caller closes it.

    The request has no provider token: the delivery hosts do not require one
    (replicate.com/docs/topics/predictions/output-files). Raises OutputUnavailable if a retry may
    help. Raises GenerationFailed if the link has expired, if the host is not a delivery host, or if
    the output is larger than `output_bytes_max`.
    """
    if not is_delivery_url(url, settings().delivery_hosts, settings().private_hosts):
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED))
    try:
        with _session().get(
            url,
            stream=True,
            allow_redirects=False,
            timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
        ) as response:
            if response.status_code in _GONE:
                raise GenerationFailed(failure(FailureCode.OUTPUT_UNAVAILABLE))
            if response.status_code != HTTPStatus.OK:
                raise OutputUnavailable(str(response.status_code))
            return _read_body(response)
    except AddressRefused as error:
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED)) from error
    except requests.exceptions.RequestException as error:
        raise OutputUnavailable(type(error).__name__) from error


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
