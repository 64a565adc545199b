"""Fetching an output from its provider: from the named hosts only, within a limit of bytes, into a file that goes away."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from functools import cache
from http import HTTPStatus
from typing import IO
from urllib.parse import urlsplit

import requests

from darkroom.adapters.http import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, AddressRefused, guarded_session
from darkroom.domain.callbacks import is_callable_url
from darkroom.domain.errors import GenerationFailed, OutputUnavailable
from darkroom.domain.failures import FailureCode, failure
from darkroom.settings import settings

_CHUNK_BYTES = 1 << 16
_MEMORY_BYTES_MAX = 8 << 20
_GONE = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


def fetch_output(url: str) -> IO[bytes]:
    """Fetch an output whole, and give it rewound to its start. The caller closes it.

    Raises OutputUnavailable when another try may help, and GenerationFailed when none will: a dead link, a host that is not the
    provider's, or more bytes than may be. The provider's token is not sent: the delivery hosts serve without it
    (replicate.com/docs/topics/predictions/output-files).
    """
    if not is_delivery_url(url, settings().delivery_hosts, settings().private_hosts):
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED))
    try:
        with _session().get(url, stream=True, allow_redirects=False, timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)) as answer:
            if answer.status_code in _GONE:
                raise GenerationFailed(failure(FailureCode.OUTPUT_UNAVAILABLE))
            if answer.status_code != HTTPStatus.OK:
                raise OutputUnavailable(str(answer.status_code))
            return _kept(answer)
    except AddressRefused as error:
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED)) from error
    except requests.exceptions.RequestException as error:
        raise OutputUnavailable(type(error).__name__) from error


def is_delivery_url(url: str, delivery_hosts: Collection[str], private_hosts: Collection[str]) -> bool:
    """Tell whether a link leads to one of the provider's delivery hosts. `*.` stands for every subdomain, and a port must be named."""
    if not is_callable_url(url, private_hosts):
        return False
    host = urlsplit(url).netloc.lower()
    return any(host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed for allowed in delivery_hosts)


def _kept(answer: requests.Response) -> IO[bytes]:
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES_MAX))
        for chunk in answer.iter_content(_CHUNK_BYTES):
            file.write(chunk)
            _check_bytes(file.tell())
        file.seek(0)
        # Whole: from here on the caller closes it.
        stack.pop_all()
        return file


def _check_bytes(count: int) -> None:
    if count > settings().output_bytes_max:
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED))


@cache
def _session() -> requests.Session:
    return guarded_session(settings().private_hosts)
